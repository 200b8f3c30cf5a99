import cython

from mboxio._base.completion cimport Flush
from mboxio._base.gate cimport Gate
from mboxio._base.request cimport Request

cdef int HOLDS_SLOT


cdef class Flushes:
    cdef public Gate gate
    cdef public list open

    @cython.locals(request=Request, in_slots=list)
    cpdef Flush start(self, client, list waiting)
    cpdef stop(self, flush)
    @cython.locals(flush=Flush)
    cpdef bint slot_freed(self, Request request) except -1
    cpdef close(self)
