import cython

from mboxio._base.request cimport Request


cdef class Order:
    cdef public object expected
    cdef public bint out_of_step

    cpdef bint expect(self, Request request) except -1
    cpdef bint drop(self, Request request) except -1
    cpdef next_one(self)
    @cython.locals(older=list)
    cpdef list older_than(self, Request request)
    cpdef list fall_out(self)
    cpdef start_afresh(self)
