import cython

from mboxio._queue.answers cimport Answers
from mboxio._queue.ends cimport Ends
from mboxio.driver.correlate cimport Verdict
from mboxio._base.request cimport Request

cdef unsigned char AWAITING, DONE, HANDED_OVER, PENDING, QUEUED, SENT, UNSENT
cdef int COMPLETE, NOTIFICATION, REPLY, TIME_OUT, TX_DONE
cdef int SEEN_NOTIFICATION, SEEN_OUT_OF_STEP, SEEN_REPLY
cdef int HOLDS_CREDIT, HOLDS_MEMORY, HOLDS_SLOT, HOLDS_TAG


cdef class Channel(Ends):
    cdef public object host, handler
    cdef public Answers answering
    cdef public bint can_send, can_receive, ties_replies
    cdef public list clients, receivers, subscriptions
    cdef public int users, asked
    cdef public long long lost_by_subscribers

    cpdef bytes stamped(self, Request request)
    cpdef void overdue(self, Request request) except *
    cpdef bint fall_out(self) except -1
    cpdef bint take_tx_done(self, Request request, int status) except -1
    cpdef bint take_batch(self, messages) except -1
    @cython.locals(verdict=Verdict)
    cpdef void take_message(self, bytes message) except *
    @cython.locals(correlator=object)
    cpdef classified(self, bytes message)
    cpdef bint take_verdict(self, Verdict verdict, bytes payload) except -1
    @cython.locals(request=Request, next_one=Request)
    cpdef void take_tagged(self, long long tag, bytes payload) except *
    @cython.locals(request=Request, known=bint)
    cpdef bint take_completion(self, long long handle, int status, bytes reply) except -1
    cpdef bint accept(self, Request request, int status, bytes reply) except -1
    @cython.locals(oldest=Request)
    cpdef bint notify(self, bytes message) except -1
