import cython

from mboxio._base.native cimport word_at

cdef Py_ssize_t HEADER_BYTES


@cython.final
cdef class Header:
    cdef public unsigned int first, second, third, fourth


cdef class Words:
    cdef public Py_ssize_t size_bytes

    cpdef unsigned int load16(self, Py_ssize_t offset) except? 0xFFFFFFFF
    cpdef unsigned int load32(self, Py_ssize_t offset) except? 0xFFFFFFFF
    cpdef unsigned long long load64(self, Py_ssize_t offset) except? 0xFFFFFFFFFFFFFFFF
    cpdef bint store16(self, Py_ssize_t offset, unsigned int value) except -1
    cpdef bint store32(self, Py_ssize_t offset, unsigned int value) except -1
    cpdef bint store64(self, Py_ssize_t offset, unsigned long long value) except -1
    cpdef bint fence(self) except -1
    cpdef bint copy_in(self, Py_ssize_t offset, bytes message) except -1
    cpdef bytes copy_out(self, Py_ssize_t offset, Py_ssize_t length)
    cpdef bint put_used(
        self, Py_ssize_t offset, unsigned int head, unsigned int length, Py_ssize_t index_at, unsigned int index
    ) except -1
    cpdef bint put_framed(self, Py_ssize_t offset, unsigned int first, unsigned int second, bytes message) except -1
    @cython.locals(length=int)
    cpdef bytes take_framed(self, Py_ssize_t offset, int room, Header header)
    @cython.locals(read=bytes)
    cpdef bint take_header(self, Py_ssize_t offset, Header header) except -1


cdef class RegionWords(Words):
    cdef public object region, lock
    cdef public bint blocks


@cython.final
cdef class Window:
    cdef public unsigned long long address
    cdef public Words words
    cdef public unsigned long long size_bytes

    cpdef bint holds(self, unsigned long long address, unsigned long long size_bytes) except -1


cdef class Windows:
    cdef public list windows
    cdef public Window last

    @cython.locals(last=Window, each=Window)
    cpdef Window find(self, unsigned long long address, unsigned long long size_bytes)
