import cython

from mboxio.backlog cimport Backlog
from mboxio.channel cimport Channel
from mboxio.gate cimport Gate
from mboxio.pump cimport Pump
from mboxio.queue cimport Queue
from mboxio.request cimport Owner, Request, Waitable
from mboxio.timeouts cimport nanoseconds

cdef int BY_HANDLER, BY_SUBMIT, BY_WAITER, CANCEL, CLOSE, HOLDS_SLOT, NEW, NO_SLOT, NOT_NOW, PLACED, QUEUE
cdef unsigned char CANCELLED, DONE
cdef long long FOREVER
cdef object DEFAULT


cdef class Flush(Waitable):
    cdef public list waiting_for


cdef class Endpoint(Owner):
    cdef public object host, at_home, ports
    cdef public Gate gate
    cdef public Pump pump
    cdef public Backlog backlog
    cdef public bint checks, closed, joined
    cdef public int attended
    cdef public list flushes, subscriptions
    cdef public long long timeout_ns, queue_timeout_ns

    @cython.locals(channel=Channel, queue=Queue, message=bytes, request=Request, timeout_ns=cython.longlong, now_ns=cython.longlong, wait_ns=cython.longlong, reason=int, accepted=bint, waits=bint)
    cpdef Request begin(
        self, data, bint tied, timeout_s, queue_timeout_s, into, list mine, lent=*
    )
    @cython.locals(queue=Queue)
    cdef int try_now(self, Request request, long long now_ns) except -1
    @cython.locals(queue=Queue)
    cdef int try_after_look(self, Request request, long long now_ns) except -1
    cpdef bint wait_for(self, waitable, long long until_ns) except -1
    cpdef attend(self, int change)
    cpdef find_home(self)
    @cython.locals(channel=Channel, queue=Queue)
    cdef admit(self, Request request, bint waits)
    cpdef request_over(self, request)
    cpdef slot_freed(self, request)
