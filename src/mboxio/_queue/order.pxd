import cython

from mboxio._base.request cimport Request

cdef Py_ssize_t GAP_MAX


@cython.final
cdef class Order:
    cdef list _line
    cdef Py_ssize_t _first
    cdef public bint out_of_step

    cpdef bint expect(self, Request request) except -1
    cpdef bint drop(self, Request request) except -1
    cpdef Request next_one(self)
    cpdef bint answered(self, Request request) except -1
    @cython.locals(older=list, oldest=Request)
    cpdef list older_than(self, Request request)
    cpdef list fall_out(self)
    cpdef start_afresh(self)
