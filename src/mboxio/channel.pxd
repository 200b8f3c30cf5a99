import cython

from mboxio.base_channel cimport BaseChannel
from mboxio.controller cimport Controller
from mboxio.correlate cimport Verdict
from mboxio.gate cimport Gate
from mboxio.queue cimport Queue
from mboxio.request cimport Request

cdef unsigned char AWAITING, DONE, QUEUED, SENT
cdef int CANCEL, CLOSE, COMPLETE, FAIL, NOTIFICATION, REPLY, TIME_OUT, TX_DONE
cdef int HOLDS_CREDIT, HOLDS_MEMORY, HOLDS_SLOT, HOLDS_TAG
cdef long long FOREVER


cdef class Channel(BaseChannel):
    cdef public object host, number, handler, expected
    cdef public Gate gate
    cdef public Queue queue
    cdef public Controller controller
    cdef public bint can_send, can_receive, out_of_step
    cdef public list clients, receivers, subscriptions
    cdef public int users, asked
    cdef public long long lost_by_subscribers
    cdef public dict freed

    cpdef bint ties_replies(self) except -1
    cpdef bytes stamped(self, Request request)
    cpdef bint finish(self, Request request, int event, value) except -1
    cpdef fail(self, Request request, error)
    cpdef withdraw(self, Request request, int event, error)
    cpdef overdue(self, Request request)
    cpdef fall_out(self)
    cpdef unexpect(self, Request request)
    cpdef take_tx_done(self, Request request, int status)
    cpdef take_batch(self, messages)
    @cython.locals(verdict=Verdict)
    cpdef take_message(self, bytes message)
    cpdef take_verdict(self, Verdict verdict, bytes payload)
    @cython.locals(request=Request)
    cpdef take_tagged(self, long long tag, bytes payload)
    @cython.locals(request=Request, known=bint)
    cpdef take_completion(self, long long handle, int status, bytes reply)
    cpdef accept(self, Request request, int status, bytes reply)
    cpdef prove_older(self, Request request)
    cpdef take_reply(self, Request request, bytes reply)
    cpdef notify(self, bytes message)
