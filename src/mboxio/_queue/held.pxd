import cython

from mboxio._base.request cimport Request
from mboxio._queue.line cimport Line
from mboxio._queue.window cimport Window
from mboxio.driver.base_channel cimport BaseChannel
from mboxio.driver.controller cimport Controller, Probe

cdef unsigned char DONE, HANDED_OVER, PENDING
cdef int SEEN_FREED, SEEN_LEFT, SEEN_TX_DONE
cdef int HOLDS_CREDIT, HOLDS_MEMORY, HOLDS_SLOT, HOLDS_TAG
cdef long long FOREVER


cdef class Held(Line):
    cdef public Controller controller
    cdef public object capabilities, name, pump, context
    cdef public Py_ssize_t depth
    cdef public long long credits, credits_used
    cdef public Py_ssize_t slots_used, reserve
    cdef public bint always_replies, polls_tx, polls_events, only_replies
    cdef public long long poll_ns, idle_ns, gap_ns, not_before_ns, tick_ns
    cdef public long long tx_head, slots_from
    cdef public Window window
    cdef public Probe probe
    cdef public str stalled

    cpdef list in_flight(self)
    cpdef bint undo(self, Request request, BaseChannel channel) except -1
    cdef bint start_clock(self, Request request, long long now_ns) except -1
    cpdef take_handed_over(self, handles)
    @cython.locals(channel=BaseChannel)
    cpdef bint left(self, Request request) except -1
    @cython.locals(request=Request)
    cpdef void take_tx_done(self, handles, int status) except *
    @cython.locals(request=Request, begin=cython.longlong, end=cython.longlong, seq=cython.longlong)
    cpdef bint take_oldest_done(self, long long count, int status) except -1
    @cython.locals(channel=BaseChannel)
    cpdef void slot_done(self, Request request, int status) except *
    @cython.locals(freed=int, channel=BaseChannel)
    cpdef void release(self, Request request, int holds, str proof) except *
    cdef bint free(self, Request request, int freed) except -1
    cpdef forget_all(self, str proof)
