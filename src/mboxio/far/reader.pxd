import cython

from mboxio.far.head cimport Head

cdef Py_ssize_t HEAD_BYTES, FRAME_BYTES_MAX
cdef frozenset WHOLE, MESSAGES, ORDINARY


cdef class Reader(Head):
    cdef public frozenset kinds
    cdef public int channels
    cdef public bytes message, data
    cdef public Py_ssize_t at

    cpdef bint begin(self, bytes message) except -1
    @cython.locals(kind=int, length=Py_ssize_t, left=Py_ssize_t, at=Py_ssize_t, message=bytes)
    cpdef bint next(self) except -1
    cpdef frame(self)
