import cython

from mboxio.clock cimport Clock
from mboxio.controller cimport Controller, Outcome
from mboxio.gate cimport Gate
from mboxio.request cimport Request
from mboxio.window cimport Window

cdef int BY_HANDLER, BY_SUBMIT
cdef unsigned char DONE, HANDED_OVER, UNKNOWN
cdef int HAND_OVER, REFUSE, SEND
cdef int HOLDS_CREDIT, HOLDS_MEMORY, HOLDS_SLOT, HOLDS_TAG
cdef long long FOREVER
cdef Outcome SENT


cdef class Queue:
    cdef public Gate gate
    cdef public Clock clock
    cdef public Controller controller
    cdef public object capabilities, name, pump, line, answers, fault
    cdef public Py_ssize_t depth
    cdef public long long credits, credits_used
    cdef public Py_ssize_t slots_used, reserve
    cdef public bint always_replies, polls_tx, polls_events, dirty
    cdef public long long poll_ns, gap_ns, not_before_ns, next_deadline_ns, tick_ns
    cdef public long long tx_head
    cdef public Window window
    cdef public str stalled

    cpdef list in_flight(self)
    @cython.locals(answered=bint, holds=int)
    cpdef int place(self, Request request, channel, long long now_ns) except -1
    @cython.locals(outcome=Outcome)
    cpdef int hand_over(self, Request request, channel, long long now_ns) except -1
    cpdef take_back(self, Request request, channel, Outcome outcome, long long now_ns)
    cpdef undo(self, Request request, channel)
    @cython.locals(request=Request)
    cpdef take_tx_done(self, handles, int status)
    cpdef slot_done(self, Request request, int status)
    @cython.locals(freed=int)
    cpdef release(self, Request request, int holds, str proof)
    cpdef forget_all(self, str proof)
    cpdef mark_dirty(self)
    cpdef bint crowded(self) except *
    cpdef refill(self)
    @cython.locals(due=cython.longlong)
    cpdef long long due_ns(self) except? -1
    cpdef on_time(self, long long now_ns)
    cpdef expire(self, long long now_ns)
