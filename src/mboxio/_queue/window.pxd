import cython

from mboxio._base.request cimport Request


cdef int HOLDS_MEMORY


@cython.final
cdef class Window:
    cdef public list table
    cdef public dict aside, loans
    cdef public long long mask, next_seq, used
    cdef public int shift
    cdef public bytes random
    cdef public Py_ssize_t drawn

    cpdef conceal(self)
    @cython.locals(low=int, high=int)
    cpdef int nonce(self) except -1
    @cython.locals(request=Request)
    cpdef Request find(self, long long handle)
    @cython.locals(request=Request)
    cpdef Request find_end(self, long long end, long long mask)
    @cython.locals(request=Request)
    cpdef Request find_seq(self, long long seq)
    @cython.locals(position=Py_ssize_t, old=Request)
    cpdef bint add(self, Request request) except -1
    cpdef bint undo(self, Request request) except -1
    @cython.locals(position=Py_ssize_t)
    cpdef bint remove(self, Request request) except -1
    @cython.locals(request=Request)
    cpdef lend(self, long long handle, memory)
    cpdef end_loan(self, long long handle)
    @cython.locals(request=Request, found=list, seq=cython.longlong)
    cpdef list live(self)
