import cython

from mboxio._base.gate cimport Gate
from mboxio._base.request cimport Request
from mboxio._queue.order cimport Order
from mboxio._queue.queue cimport Queue
from mboxio.driver.base_channel cimport BaseChannel
from mboxio.driver.controller cimport Controller

cdef unsigned char DONE, PENDING, UNKNOWN
cdef int SEEN_COPYING, SEEN_ENDED, SEEN_LATE, SEEN_UNKNOWN
cdef int COMPLETE, FAIL, HOLDS_TAG
cdef long long FOREVER


cdef class Ends(BaseChannel):
    cdef public Gate gate
    cdef public Queue queue
    cdef public Controller controller
    cdef public Order order

    cpdef bint recall(self, Request request) except -1
    @cython.locals(driver=object)
    cpdef bint aborted(self, Request request) except -1
    cpdef bint finish(self, Request request, int event, value) except -1
    cpdef void take_reply(self, Request request, bytes reply) except *
    cpdef bint take_refusal(self, Request request, int status, bytes reply) except -1
    cpdef bint tell_end(self, Request request) except -1
    cpdef bint take_late(self, Request request, bytes reply, long long status) except -1
    cpdef bint take_unknown(self, long long tag, bytes reply) except -1
    cpdef bint prove_older(self, Request request) except -1
    cpdef bint fail(self, Request request, error) except -1
    cpdef void withdraw(self, Request request, int event, error) except *
    @cython.locals(request=Request, held=list)
    cpdef list held(self)
    cpdef bint unexpect(self, Request request) except -1
