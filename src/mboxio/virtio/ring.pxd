import cython

from mboxio.virtio.words cimport Header, Words

cdef int NEXT, SILENT, WRAP


cdef class SplitRing:
    cdef public Words words
    cdef public object layout
    cdef public unsigned int num, mask, made, seen, known
    cdef public Py_ssize_t base, available, used
    cdef public str lie, lie_field
    cdef public unsigned long long lie_value

    cpdef bint lied(self, str field, unsigned long long value, str what) except -1
    cpdef bint check(self) except -1


@cython.final
cdef class HostRing(SplitRing):
    cdef public bytearray lent
    cdef public unsigned int filled

    cpdef bint set_length(self, int head, unsigned int length) except -1
    cpdef bint offer(self, int head) except -1
    @cython.locals(index=cython.uint, step=cython.uint)
    cpdef int waiting(self) except -1
    @cython.locals(words=Words, offset=Py_ssize_t, head=cython.uint)
    cpdef int reap(self) except -2
    cpdef bint news(self) except -1
    cpdef bint silenced(self) except -1
    cpdef bint silence(self, bint silent) except -1


@cython.final
cdef class RemoteRing(SplitRing):
    cdef public bytearray taken
    cdef public unsigned long long address
    cdef public unsigned int length, flags
    cdef public Header described

    cpdef bint was_reset(self) except -1
    @cython.locals(index=cython.uint, step=cython.uint)
    cpdef int waiting(self) except -1
    @cython.locals(words=Words, described=Header, head=cython.uint, high=cython.ulonglong)
    cpdef int take(self) except -2
    @cython.locals(offset=Py_ssize_t)
    cpdef bint give(self, int head, unsigned int length) except -1
    cpdef bint news(self) except -1
    cpdef bint silenced(self) except -1
    cpdef bint silence(self, bint silent) except -1
