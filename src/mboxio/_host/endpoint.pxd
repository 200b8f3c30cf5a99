import cython

from mboxio._queue.backlog cimport Backlog
from mboxio._base.completion cimport Flush
from mboxio._queue.channel cimport Channel
from mboxio._base.gate cimport Gate
from mboxio._pump.pump cimport Pump
from mboxio._queue.queue cimport Queue
from mboxio._base.request cimport Owner, Request
from mboxio._base.timeouts cimport nanoseconds

cdef int BY_HANDLER, BY_SUBMIT, BY_WAITER, CANCEL, CLOSE, HOLDS_SLOT, NEW, NO_SLOT, NOT_NOW, PLACED, QUEUE
cdef unsigned char CANCELLED, DONE
cdef long long FOREVER
cdef object DEFAULT


cdef class Endpoint(Owner):
    cdef public object host, at_home, ports
    cdef public Gate gate
    cdef public Pump pump
    cdef public Backlog backlog
    cdef public bint checks, closed, joined
    cdef public int attended
    cdef public list flushes, subscriptions
    cdef public long long timeout_ns, queue_timeout_ns

    @cython.locals(channel=Channel, message=bytes, request=Request, timeout_ns=cython.longlong, wait_ns=cython.longlong)
    cpdef Request draft(self, data, bint tied, timeout_s, queue_timeout_s, into, lent=*)
    @cython.locals(gate=Gate, channel=Channel, queue=Queue, now_ns=cython.longlong, accepted=bint)
    cpdef bint hand_in(self, Request request, bint waits) except -1
    cdef bint leave(self, Request request, bint accepted) except -1
    @cython.locals(queue=Queue, reason=int, wait_ns=cython.longlong)
    cdef void look_or_queue(self, Request request, bint waits, long long now_ns) except *
    cpdef bint wait_for(self, waitable, long long until_ns) except -1
    cpdef bint attend(self, int change) except -1
    cpdef bint find_home(self) except -1
    @cython.locals(channel=Channel, queue=Queue)
    cdef bint admit(self, Request request, bint waits, long long now_ns) except -1
    cpdef bint request_over(self, request) except -1
    cpdef bint slot_freed(self, request) except -1
