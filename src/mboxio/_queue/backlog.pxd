from mboxio._base.request cimport Request


cdef class Backlog:
    cdef public Py_ssize_t held, limit
    cdef public object line

    cpdef bint has_place(self) noexcept
    cpdef append(self, Request request, int queued_by)
    cpdef Request pop(self)
    cpdef put_back(self, Request request, int queued_by)
    cpdef remove(self, Request request)
