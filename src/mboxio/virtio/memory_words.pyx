"""Access to normal memory in C: each number in one instruction, with the order that rings need."""

import cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint16_t, uint32_t, uintptr_t
from libc.string cimport memcpy

from mboxio.virtio.words cimport Header, Words

__all__ = ["MemoryWords"]

cdef extern from *:
    "#define mboxio_unlikely(x) __builtin_expect(!!(x), 0)"
    bint unlikely "mboxio_unlikely"(bint) noexcept


@cython.final
cdef class MemoryWords(Words):
    """Access to normal memory with the buffer protocol; see words.py."""

    def __cinit__(self, region):
        buffer = region.buffer()
        if buffer is None:
            raise ValueError(f"{region!r} is no normal memory: use RegionWords")
        PyObject_GetBuffer(buffer, &self.view, PyBUF_SIMPLE | PyBUF_WRITABLE)
        if <uintptr_t> self.view.buf % 8:
            raise ValueError("the memory starts at an address that is not a multiple of 8")
        self.base = <char *> self.view.buf

    def __dealloc__(self):
        PyBuffer_Release(&self.view)

    def __init__(self, region):
        Words.__init__(self, self.view.len)

    cdef inline char *at(self, Py_ssize_t offset, Py_ssize_t width) except NULL:
        if unlikely(offset < 0 or offset > self.view.len - width):
            return self.refuse(offset, width, 1)
        return self.base + offset

    cdef inline char *number(self, Py_ssize_t offset, Py_ssize_t width) except NULL:
        if unlikely(offset < 0 or offset > self.view.len - width or offset & (width - 1)):
            return self.refuse(offset, width, width)
        return self.base + offset

    cdef inline char *words(self, Py_ssize_t offset) except NULL:
        """Return where four words are."""
        if unlikely(offset < 0 or offset > self.view.len - 16 or offset & 3):
            return self.refuse(offset, 16, 4)
        return self.base + offset

    cdef char *refuse(self, Py_ssize_t offset, Py_ssize_t width, Py_ssize_t align) except NULL:
        """Raise; apart from the accesses, which are short without it."""
        if offset & (align - 1):
            raise ValueError(f"offset {offset} is not a multiple of {align}")
        raise IndexError(
            f"{width} bytes at offset {offset} are outside of {self.view.len} bytes"
        )

    cpdef unsigned int load16(self, Py_ssize_t offset) except? 0xFFFFFFFF:
        return mboxio_observe16(self.number(offset, 2))

    cpdef unsigned int load32(self, Py_ssize_t offset) except? 0xFFFFFFFF:
        return mboxio_word32(self.number(offset, 4))

    cpdef unsigned long long load64(self, Py_ssize_t offset) except? 0xFFFFFFFFFFFFFFFF:
        return mboxio_word64(self.number(offset, 8))

    cpdef bint store16(self, Py_ssize_t offset, unsigned int value) except -1:
        mboxio_publish16(self.number(offset, 2), <uint16_t> value)

    cpdef bint store32(self, Py_ssize_t offset, unsigned int value) except -1:
        mboxio_put32(self.number(offset, 4), value)

    cpdef bint store64(self, Py_ssize_t offset, unsigned long long value) except -1:
        mboxio_put64(self.number(offset, 8), value)

    cpdef bint fence(self) except -1:
        mboxio_full_fence()

    cpdef bint copy_in(self, Py_ssize_t offset, bytes message) except -1:
        cdef Py_ssize_t length = PyBytes_GET_SIZE(message)
        memcpy(self.at(offset, length), PyBytes_AS_STRING(message), length)

    cpdef bytes copy_out(self, Py_ssize_t offset, Py_ssize_t length):
        cdef const char *source = self.at(offset, length)
        cdef bytes message = PyBytes_FromStringAndSize(NULL, length)
        memcpy(PyBytes_AS_STRING(message), source, length)
        return message

    cpdef bint put_used(
        self, Py_ssize_t offset, unsigned int head, unsigned int length, Py_ssize_t index_at, unsigned int index
    ) except -1:
        cdef char *entry = self.number(offset, 4)
        cdef char *at = self.number(index_at, 2)
        self.number(offset + 4, 4)
        mboxio_put32(entry, head)
        mboxio_put32(entry + 4, length)
        mboxio_publish16(at, <uint16_t> index)

    cpdef bint put_framed(self, Py_ssize_t offset, unsigned int first, unsigned int second, bytes message) except -1:
        cdef Py_ssize_t length = PyBytes_GET_SIZE(message)
        cdef uint32_t *words = <uint32_t *> self.words(offset)
        self.at(offset, 16 + length)
        mboxio_put32(words, first)
        mboxio_put32(words + 1, second)
        mboxio_put32(words + 2, 0)
        mboxio_put32(words + 3, <uint32_t> length)
        memcpy(words + 4, PyBytes_AS_STRING(message), length)

    cpdef bytes take_framed(self, Py_ssize_t offset, int room, Header header):
        cdef int length
        self.take_header(offset, header)
        length = header.fourth & 0xFFFF
        if length > room:
            return None
        return PyBytes_FromStringAndSize(self.at(offset + 16, length), length)

    cpdef bint take_header(self, Py_ssize_t offset, Header header) except -1:
        cdef const uint32_t *words = <const uint32_t *> self.words(offset)
        header.first = mboxio_word32(words)
        header.second = mboxio_word32(words + 1)
        header.third = mboxio_word32(words + 2)
        header.fourth = mboxio_word32(words + 3)
