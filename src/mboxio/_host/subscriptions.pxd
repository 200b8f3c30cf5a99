from mboxio._base.completion cimport Completion
from mboxio._base.gate cimport Gate


cdef class Subscription:
    cdef public object client, waiting
    cdef public Gate gate
    cdef public Completion completion
    cdef public Py_ssize_t limit
    cdef public long long lost, lost_in_all
    cdef public bint closed

    cpdef put(self, message)
    cpdef wake(self)
    cpdef take_one(self)
    cpdef drop(self)
