import cython

from mboxio._base.request cimport Request
from mboxio._queue.held cimport Held
from mboxio.driver.base_channel cimport BaseChannel
from mboxio.driver.controller cimport Outcome

cdef int NO_CREDIT, NO_SLOT, NO_TAG, NOT_NOW, PLACED
cdef unsigned char HANDED_OVER, PENDING, UNKNOWN, UNSENT
cdef int HAND_OVER, REFUSE, SEND
cdef int SEEN_ANSWER, SEEN_BUSY, SEEN_MESSAGE, SEEN_REPLY, SEEN_REQUEST, SEEN_SENDING, SEEN_STOPPED, SEEN_TX_DONE
cdef int HOLDS_CREDIT, HOLDS_MEMORY, HOLDS_SLOT, HOLDS_TAG
cdef long long FOREVER
cdef Outcome ACCEPTED, SENT


cdef class Queue(Held):
    @cython.locals(answered=bint, holds=int)
    cpdef int place(self, Request request, BaseChannel channel, long long now_ns) except -1
    cpdef bint has_room(self) except -1
    @cython.locals(outcome=Outcome, message=bytes, kind=int)
    cpdef int hand_over(self, Request request, BaseChannel channel, long long now_ns) except -1
    @cython.locals(kind=int, status=int)
    cdef void tell_sent(self, Request request, BaseChannel channel, bytes message, long long now_ns) except *
    cpdef bint take_raised(self, Request request, BaseChannel channel, error) except -1
    cpdef bint take_back(self, Request request, BaseChannel channel, Outcome outcome, long long now_ns) except -1
    @cython.locals(due=cython.longlong)
    cpdef long long due_ns(self) except? -1
    cpdef bint on_time(self, long long now_ns) except -1
    @cython.locals(request=Request, channel=BaseChannel, waiting=list, bound=cython.longlong)
    cpdef expire(self, long long now_ns)
