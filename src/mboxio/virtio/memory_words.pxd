import cython
from libc.stdint cimport uint16_t, uint32_t, uint64_t

from mboxio.virtio.words cimport Header, Words

cdef extern from *:
    """
    #include <stdint.h>
    static inline uint16_t mboxio_observe16(const void *p) { return __atomic_load_n((const uint16_t *) p, __ATOMIC_ACQUIRE); }
    static inline void mboxio_publish16(void *p, uint16_t v) { __atomic_store_n((uint16_t *) p, v, __ATOMIC_RELEASE); }
    static inline void mboxio_put16(void *p, uint16_t v) { *(volatile uint16_t *) p = v; }
    static inline uint32_t mboxio_word32(const void *p) { return *(const volatile uint32_t *) p; }
    static inline void mboxio_put32(void *p, uint32_t v) { *(volatile uint32_t *) p = v; }
    static inline uint64_t mboxio_word64(const void *p) { return *(const volatile uint64_t *) p; }
    static inline void mboxio_put64(void *p, uint64_t v) { *(volatile uint64_t *) p = v; }
    static inline void mboxio_full_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
    """
    uint16_t mboxio_observe16(const void *) noexcept
    void mboxio_publish16(void *, uint16_t) noexcept
    void mboxio_put16(void *, uint16_t) noexcept
    uint32_t mboxio_word32(const void *) noexcept
    void mboxio_put32(void *, uint32_t) noexcept
    uint64_t mboxio_word64(const void *) noexcept
    void mboxio_put64(void *, uint64_t) noexcept
    void mboxio_full_fence() noexcept


@cython.final
cdef class MemoryWords(Words):
    cdef Py_buffer view
    cdef char *base

    cdef char *at(self, Py_ssize_t offset, Py_ssize_t width) except NULL
    cdef char *number(self, Py_ssize_t offset, Py_ssize_t width) except NULL
    cdef char *words(self, Py_ssize_t offset) except NULL
    cdef char *refuse(self, Py_ssize_t offset, Py_ssize_t width, Py_ssize_t align) except NULL
