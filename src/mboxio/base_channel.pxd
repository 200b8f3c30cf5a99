from mboxio.correlate cimport Correlator
from mboxio.counts cimport Counts
from mboxio.request cimport Request


cdef class BaseChannel:
    cdef public object name, context
    cdef public Correlator correlator
    cdef public Counts counts
    cdef public Py_ssize_t message_bytes
    cdef public bint ties, identifies, in_sequence, driver_ties_answers

    cpdef bytes stamped(self, Request request)
    cpdef fail(self, Request request, error)
    cpdef unexpect(self, Request request)
    cpdef overdue(self, Request request)
    cpdef take_tx_done(self, Request request, int status)
    cpdef take_reply(self, Request request, bytes reply)
    cpdef take_batch(self, messages)
    cpdef take_message(self, bytes message)
    cpdef take_completion(self, long long handle, int status, bytes reply)
    cpdef notify(self, bytes message)
