from libc.stdint cimport int32_t, uint32_t
from mboxio.ring.contract cimport Armed, Consumer, Producer

cdef extern from "mboxio_ring.h" nogil:
    ctypedef uint32_t word_t "volatile uint32_t"
    int MBOXIO_DONE, MBOXIO_TOO_LONG, MBOXIO_BAD_KIND

    struct mboxio_ring:
        const word_t *peer
        uint32_t message_bytes
        uint32_t slot_bytes
        uint32_t mine
        uint32_t seen
        uint32_t consumed
        uint32_t lie_value
        int lie

    struct mboxio_entry:
        const unsigned char *payload
        uint32_t length
        uint32_t kind
        uint32_t tag

    uint32_t mboxio_load(const word_t *)
    int mboxio_sleep_needs_doorbell(uint32_t sleep, uint32_t *rung)
    int mboxio_push(mboxio_ring *, uint32_t kind, uint32_t tag, const void *, uint32_t length)
    int mboxio_peek(mboxio_ring *, mboxio_entry *)
    void mboxio_copy_out(void *, const mboxio_entry *)
    void mboxio_advance(mboxio_ring *)
    void mboxio_release(mboxio_ring *)
    int32_t mboxio_pending(mboxio_ring *)

cdef extern from *:
    void prefetch "__builtin_prefetch" (const void *) nogil


cdef class Export:
    cdef Py_buffer view

    cdef word_t *word(self, Py_ssize_t offset) except NULL
    cdef int init(self, mboxio_ring *ring, layout, bint producer) except -1


cdef class CompiledArmed(Armed):
    cdef Export export
    cdef word_t *own
    cdef word_t *peer
    cdef uint32_t sleeps
    cdef uint32_t rung
    cdef uint32_t cpu
    cdef bint promised
    cdef bint fenced

    cdef bint needs_doorbell(self) noexcept


cdef class CompiledProducer(Producer):
    cdef Export export
    cdef mboxio_ring ring

    cdef int copy_in(self, uint32_t kind, uint32_t tag, const char *message,
                     Py_ssize_t length) except -1
    cdef int check(self, int result) except -1


cdef class CompiledConsumer(Consumer):
    cdef Export export
    cdef mboxio_ring ring
    cdef mboxio_entry entry  # payload is NULL while there is no message under peek

    cdef int check(self, int result) except -1
    cdef int check_here(self) except -1
