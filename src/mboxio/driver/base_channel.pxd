from mboxio.driver.correlate cimport Correlator
from mboxio.driver.shortcut cimport Shortcut
from mboxio._base.counts cimport Counts
from mboxio._base.request cimport Request


cdef class BaseChannel:
    cdef public object address, name, context
    cdef public Correlator correlator
    cdef public Shortcut shortcut
    cdef public Counts counts
    cdef public dict freed
    cdef public Py_ssize_t message_bytes
    cdef public long long number
    cdef public bint stamps, ties, identifies, in_sequence, driver_ties_answers

    cpdef bytes stamped(self, Request request)
    cpdef bint fail(self, Request request, error) except -1
    cpdef bint unexpect(self, Request request) except -1
    cpdef void overdue(self, Request request) except *
    cpdef bint take_tx_done(self, Request request, int status) except -1
    cpdef void take_reply(self, Request request, bytes reply) except *
    cpdef bint take_batch(self, messages) except -1
    cpdef void take_message(self, bytes message) except *
    cpdef bint take_completion(self, long long handle, int status, bytes reply) except -1
    cpdef bint notify(self, bytes message) except -1
