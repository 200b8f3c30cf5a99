import cython

from mboxio.driver.base_channel cimport BaseChannel
from mboxio.driver.controller cimport Controller
from mboxio.driver.correlate cimport Verdict
from mboxio._base.gate cimport Gate
from mboxio._queue.queue cimport Queue
from mboxio._base.request cimport Request

cdef unsigned char AWAITING, DONE, HANDED_OVER, PENDING, QUEUED, SENT, UNKNOWN, UNSENT
cdef int CANCEL, CLOSE, COMPLETE, FAIL, NOTIFICATION, REPLY, TIME_OUT, TX_DONE
cdef int HOLDS_CREDIT, HOLDS_MEMORY, HOLDS_SLOT, HOLDS_TAG
cdef long long FOREVER


cdef class Channel(BaseChannel):
    cdef public object host, number, handler, answering, expected
    cdef public Gate gate
    cdef public Queue queue
    cdef public Controller controller
    cdef public bint can_send, can_receive, out_of_step, ties_replies
    cdef public list clients, receivers, subscriptions
    cdef public int users, asked
    cdef public long long lost_by_subscribers

    cpdef bytes stamped(self, Request request)
    cpdef bint finish(self, Request request, int event, value) except -1
    cpdef bint fail(self, Request request, error) except -1
    cpdef bint recall(self, Request request) except -1
    @cython.locals(driver=object)
    cpdef bint proven_dead(self, Request request) except -1
    cpdef void withdraw(self, Request request, int event, error) except *
    cpdef void overdue(self, Request request) except *
    cpdef bint fall_out(self) except -1
    cpdef bint unexpect(self, Request request) except -1
    cpdef bint take_tx_done(self, Request request, int status) except -1
    cpdef bint take_batch(self, messages) except -1
    @cython.locals(verdict=Verdict)
    cpdef void take_message(self, bytes message) except *
    @cython.locals(correlator=object)
    cpdef classified(self, bytes message)
    cpdef bint take_verdict(self, Verdict verdict, bytes payload) except -1
    @cython.locals(request=Request)
    cpdef void take_tagged(self, long long tag, bytes payload) except *
    @cython.locals(request=Request, known=bint)
    cpdef bint take_completion(self, long long handle, int status, bytes reply) except -1
    cpdef bint accept(self, Request request, int status, bytes reply) except -1
    cpdef bint take_refusal(self, Request request, int status, bytes reply) except -1
    cpdef void prove_older(self, Request request) except *
    cpdef void take_reply(self, Request request, bytes reply) except *
    cpdef bint notify(self, bytes message) except -1
