import cython

from mboxio.base_channel cimport BaseChannel
from mboxio.clock cimport Clock
from mboxio.controller cimport Controller, Outcome, Probe
from mboxio.gate cimport Gate
from mboxio.request cimport Request
from mboxio.window cimport Window

cdef int BY_HANDLER, BY_SUBMIT, NO_CREDIT, NO_SLOT, NO_TAG, NOT_NOW, PLACED
cdef unsigned char DONE, HANDED_OVER, UNKNOWN, UNSENT
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
    cdef public Probe probe
    cdef public str stalled

    cpdef list in_flight(self)
    @cython.locals(answered=bint, holds=int)
    cpdef int place(self, Request request, BaseChannel channel, long long now_ns) except -1
    @cython.locals(outcome=Outcome, message=bytes)
    cpdef int hand_over(self, Request request, BaseChannel channel, long long now_ns) except -1
    cpdef bint take_raised(self, Request request, BaseChannel channel, error) except -1
    cpdef bint take_back(self, Request request, BaseChannel channel, Outcome outcome, long long now_ns) except -1
    cpdef bint undo(self, Request request, BaseChannel channel) except -1
    @cython.locals(request=Request)
    cpdef void take_tx_done(self, handles, int status) except *
    @cython.locals(request=Request, end=cython.longlong)
    cpdef bint take_oldest_done(self, long long count, int status) except -1
    @cython.locals(channel=BaseChannel)
    cpdef void slot_done(self, Request request, int status) except *
    @cython.locals(freed=int, channel=BaseChannel)
    cpdef void release(self, Request request, int holds, str proof) except *
    cpdef forget_all(self, str proof)
    cpdef bint mark_dirty(self) except -1
    @cython.locals(queued_by=int)
    cpdef stand_in_line(self, client, Request request, int queued_by)
    cpdef bint leave_line(self, Request request) except -1
    @cython.locals(queued_by=int, reason=int, passed=Py_ssize_t)
    cpdef refill(self)
    @cython.locals(due=cython.longlong)
    cpdef long long due_ns(self) except? -1
    cpdef bint on_time(self, long long now_ns) except -1
    cpdef expire(self, long long now_ns)
