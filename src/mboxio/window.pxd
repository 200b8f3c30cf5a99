import cython

from mboxio.request cimport Request


cdef int HOLDS_MEMORY


cdef class Window:
    cdef public list table
    cdef public dict aside, loans
    cdef public long long mask, next_seq

    @cython.locals(request=Request)
    cpdef Request find(self, long long handle)
    @cython.locals(request=Request)
    cpdef Request find_seq(self, long long seq)
    @cython.locals(position=Py_ssize_t, old=Request)
    cpdef add(self, Request request)
    cpdef undo(self, Request request)
    @cython.locals(position=Py_ssize_t)
    cpdef remove(self, Request request)
    @cython.locals(request=Request)
    cpdef lend(self, long long handle, memory)
    cpdef end_loan(self, long long handle)
    cpdef list live(self)
