import cython

from mboxio.base_channel cimport BaseChannel
from mboxio.clock cimport Clock
from mboxio.controller cimport Controller, Outcome
from mboxio.gate cimport Gate
from mboxio.request cimport Owner, Request
from mboxio.window cimport Window

cdef int BY_HANDLER, BY_SUBMIT, NO_CREDIT, NO_SLOT, NO_TAG, NOT_NOW, PLACED
cdef unsigned char DONE, HANDED_OVER, UNKNOWN
cdef int HAND_OVER, REFUSE, SEND
cdef int HOLDS_CREDIT, HOLDS_MEMORY, HOLDS_SLOT, HOLDS_TAG
cdef long long FOREVER
cdef Outcome SENT


cdef class Queue:
    cdef public Gate gate
    cdef public Clock clock
    cdef public Controller controller
    cdef public object capabilities, name, pump, fault, context
    cdef public list line, answers
    cdef public Py_ssize_t depth
    cdef public long long credits, credits_used
    cdef public Py_ssize_t slots_used, reserve
    cdef public bint always_replies, polls_tx, polls_events, dirty, only_replies
    cdef public long long poll_ns, idle_ns, gap_ns, not_before_ns, next_deadline_ns, tick_ns
    cdef public long long tx_head
    cdef public Window window
    cdef public str stalled

    cpdef list in_flight(self)
    @cython.locals(answered=bint, holds=int)
    cpdef int place(self, Request request, BaseChannel channel, long long now_ns) except -1
    @cython.locals(outcome=Outcome, message=bytes)
    cpdef int hand_over(self, Request request, BaseChannel channel, long long now_ns) except -1
    cpdef take_back(self, Request request, BaseChannel channel, Outcome outcome, long long now_ns)
    cpdef undo(self, Request request, BaseChannel channel)
    @cython.locals(request=Request)
    cpdef take_tx_done(self, handles, int status)
    @cython.locals(request=Request, end=cython.longlong)
    cpdef take_oldest_done(self, long long count, int status)
    @cython.locals(channel=BaseChannel)
    cpdef slot_done(self, Request request, int status)
    @cython.locals(freed=int, owner=Owner, channel=BaseChannel)
    cpdef release(self, Request request, int holds, str proof)
    cpdef forget_all(self, str proof)
    cpdef mark_dirty(self)
    @cython.locals(queued_by=int)
    cpdef stand_in_line(self, client, Request request, int queued_by)
    cpdef leave_line(self, Request request)
    @cython.locals(queued_by=int, reason=int, passed=Py_ssize_t)
    cpdef refill(self)
    @cython.locals(due=cython.longlong)
    cpdef long long due_ns(self) except? -1
    cpdef on_time(self, long long now_ns)
    cpdef expire(self, long long now_ns)
