import cython

from mboxio._base.request cimport Request

cdef bint COMPILED
cdef long long _born


cdef class Tap:
    cpdef bint is_quick(self, long long channel) noexcept
    cpdef bint see(
        self,
        int kind,
        long long channel,
        Request request,
        bytes message,
        long long status,
        long long at_ns,
    ) except -1


cdef class Several(Tap):
    cdef public list taps

    @cython.locals(tap=Tap)
    cpdef bint is_quick(self, long long channel) noexcept
    @cython.locals(tap=Tap)
    cpdef bint see(
        self,
        int kind,
        long long channel,
        Request request,
        bytes message,
        long long status,
        long long at_ns,
    ) except -1


cpdef long long number_of(Request request) except -1
cdef long long _next() except -1
