from mboxio._base.request cimport Owner, Request

cdef int LOOKS


cdef class Shortcut:
    cdef public bint checked

    cpdef Request submit(self, Owner owner, bytes data, long long timeout_ns)
    cpdef Py_ssize_t fill(
        self,
        Owner owner,
        list messages,
        Py_ssize_t at,
        list line,
        Py_ssize_t place,
        Py_ssize_t most,
        long long timeout_ns,
    ) except -1
    cpdef bint announce(self, list line, Py_ssize_t place, Py_ssize_t sent) except -1
    cpdef int take(self, int most) except -1
    cpdef int look(self, Request request) except -1
