"""The ring in C: `mboxio_ring.h` over normal memory with the buffer protocol."""

import cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport (
    PyBytes_AS_STRING,
    PyBytes_CheckExact,
    PyBytes_FromStringAndSize,
    PyBytes_GET_SIZE,
)
from libc.stdint cimport int32_t, uint32_t, uintptr_t
from mboxio.ring.contract cimport Armed, Consumer, Producer

from mboxio.errors import MessageTooLong

__all__ = ["CompiledArmed", "CompiledConsumer", "CompiledProducer"]

cdef extern from "mboxio_ring.h" nogil:
    void mboxio_ring_init(mboxio_ring *, word_t *own, word_t *peer, void *base, uint32_t slots,
                          uint32_t slot_bytes, int framed)
    int mboxio_attach(mboxio_ring *, int producer)
    int32_t mboxio_free(mboxio_ring *)
    int32_t mboxio_consumed(mboxio_ring *)
    int mboxio_drop_all(mboxio_ring *)
    void mboxio_arm(word_t *, uint32_t *sleeps)
    void mboxio_disarm(word_t *)
    int mboxio_doorbell_needed(const word_t *, uint32_t *rung)

cdef extern from "mboxio_process.h" nogil:
    int mboxio_promise_fences(word_t *)
    int mboxio_arm_and_fence(word_t *, uint32_t *sleeps)
    int mboxio_fenced_by_peer(const word_t *)
    int mboxio_doorbell_needed_unfenced(const word_t *, uint32_t *rung)
    int MBOXIO_CPU_WORD
    uint32_t mboxio_say_cpu(word_t *, uint32_t *said)
    int mboxio_shares_cpu(word_t *, const word_t *peer, uint32_t *said)


cdef class Export:
    """Memory that stays where it is while this object lives."""

    def __cinit__(self, region):
        buffer = region.buffer()
        if buffer is None:
            raise ValueError(f"{region!r} is no normal memory: use the reference ring")
        PyObject_GetBuffer(buffer, &self.view, PyBUF_SIMPLE | PyBUF_WRITABLE)
        if <uintptr_t> self.view.buf % 8:
            raise ValueError("the memory starts at an address that is not a multiple of 8")

    def __dealloc__(self):
        PyBuffer_Release(&self.view)

    cdef word_t *word(self, Py_ssize_t offset) except NULL:
        if offset < 0 or offset % 4 or offset + 4 > self.view.len:
            raise ValueError(f"no word at offset {offset} in {self.view.len} bytes")
        return <word_t *> (<char *> self.view.buf + offset)

    cdef int init(self, mboxio_ring *ring, layout, bint producer) except -1:
        wrong = layout.problem(self.view.len)
        if wrong:
            raise ValueError(f"the ring cannot be used: {wrong}")
        cdef Py_ssize_t base = layout.base
        cdef word_t *front = self.word(layout.front)
        cdef word_t *rear = self.word(layout.rear)
        mboxio_ring_init(ring, front if producer else rear, rear if producer else front,
                         <char *> self.view.buf + base, layout.slots, layout.slot_bytes,
                         layout.framed)
        return 0


@cython.final
cdef class CompiledArmed(Armed):
    """Armed words with the fences that they need; arguments as `ReferenceArmed`."""

    def __cinit__(self, region, own, peer):
        self.export = Export(region)
        self.own = self.export.word(own)
        self.peer = self.export.word(peer)
        self.export.word(max(own, peer) + 4 * MBOXIO_CPU_WORD)  # the last word of a process
        with nogil:
            self.fenced = mboxio_fenced_by_peer(self.peer)
        mboxio_disarm(self.own)

    cpdef promise_fences(self):
        with nogil:
            self.promised = mboxio_promise_fences(self.own)

    cpdef bint arm(self) except -1:
        cdef bint armed
        mboxio_say_cpu(self.own, &self.cpu)
        if not self.promised:
            mboxio_arm(self.own, &self.sleeps)
            return True
        with nogil:
            # Up to 9 µs in the kernel, in which other threads may run.
            armed = mboxio_arm_and_fence(self.own, &self.sleeps)
        return armed

    cpdef bint disarm(self) except -1:
        mboxio_disarm(self.own)

    cpdef bint peer_armed(self) except -1:
        return self.needs_doorbell()

    cpdef bint shares_cpu(self) except -1:
        return mboxio_shares_cpu(self.own, self.peer, &self.cpu)

    cdef bint needs_doorbell(self) noexcept:
        if self.fenced:
            return mboxio_doorbell_needed_unfenced(self.peer, &self.rung)
        return mboxio_doorbell_needed(self.peer, &self.rung)


@cython.final
cdef class CompiledProducer(Producer):
    """The sending side; arguments and errors as `ReferenceProducer`, normal memory only."""

    def __cinit__(self, region, layout, armed=None):
        self.export = Export(region)
        self.export.init(&self.ring, layout, True)

    def __init__(self, region, layout, armed=None):
        Producer.__init__(self, layout.slots, layout.message_bytes, armed)
        self.reset()

    cpdef bint reset(self) except -1:
        self.check(mboxio_attach(&self.ring, True))
        self.broken = False

    cpdef bint push(self, uint32_t kind, uint32_t tag, object message) except -1:
        cdef Py_buffer view
        if PyBytes_CheckExact(message):
            return self.copy_in(
                kind, tag, PyBytes_AS_STRING(message), PyBytes_GET_SIZE(message)
            )
        PyObject_GetBuffer(message, &view, PyBUF_SIMPLE)
        try:
            return self.copy_in(kind, tag, <const char *> view.buf, view.len)
        finally:
            PyBuffer_Release(&view)

    cpdef int free(self) except -1:
        return self.check(mboxio_free(&self.ring))

    cpdef int consumed(self) except -1:
        return self.check(mboxio_consumed(&self.ring))

    cpdef bint news(self) except -1:
        return self.ring.consumed or mboxio_load(self.ring.peer) != self.ring.seen

    cpdef bint doorbell_needed(self) except -1:
        if type(self.armed) is CompiledArmed:
            return (<CompiledArmed> self.armed).needs_doorbell()
        return Producer.doorbell_needed(self)

    cdef int copy_in(self, uint32_t kind, uint32_t tag, const char *message,
                     Py_ssize_t length) except -1:
        cdef int result
        if length > self.ring.message_bytes:
            self.check(self.ring.lie)  # a broken ring says so first, as the reference does
            raise MessageTooLong(
                f"the message has {length} bytes, the ring takes {self.ring.message_bytes}"
            )
        result = mboxio_push(&self.ring, kind, tag, message, <uint32_t> length)
        if result == MBOXIO_BAD_KIND:
            raise ValueError(f"{kind} is no kind of message")
        return self.check(result)

    cdef int check(self, int result) except -1:
        if result < 0:
            raise self.lied(result, self.ring.lie_value)
        return result


@cython.final
cdef class CompiledConsumer(Consumer):
    """The receiving side; arguments and errors as `ReferenceConsumer`, normal memory only."""

    def __cinit__(self, region, layout):
        self.export = Export(region)
        self.export.init(&self.ring, layout, False)

    def __init__(self, region, layout):
        Consumer.__init__(self, layout.slots, layout.message_bytes)
        self.check(mboxio_attach(&self.ring, False))

    cpdef bint reset(self) except -1:
        self.entry.payload = NULL
        self.check(mboxio_drop_all(&self.ring))
        self.broken = False

    cpdef bint peek(self) except -1:
        cdef int result = mboxio_peek(&self.ring, &self.entry)
        if result <= 0:
            self.entry.payload = NULL
            return self.check(result)
        self.kind = self.entry.kind
        self.tag = self.entry.tag
        self.length = self.entry.length
        return True

    cpdef bytes payload(self):
        self.check_here()
        cdef bytes message = PyBytes_FromStringAndSize(NULL, self.entry.length)
        mboxio_copy_out(PyBytes_AS_STRING(message), &self.entry)
        return message

    cpdef bytes take(self):
        cdef const unsigned char *payload
        cdef bytes message
        if not self.peek():
            return None
        payload = self.entry.payload
        message = self.payload()
        self.advance()
        if self.ring.mine != self.ring.seen:  # another CPU has the next one, so have it fetched
            prefetch(payload + self.ring.slot_bytes)
        return message

    cpdef bint news(self) except -1:
        return mboxio_load(self.ring.peer) != self.ring.mine

    cpdef uint32_t copy_into(self, object buffer) except? 0xFFFFFFFF:
        cdef Py_buffer view
        self.check_here()
        PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE | PyBUF_WRITABLE)
        try:
            if view.len < self.entry.length:
                raise ValueError(
                    f"{self.entry.length} bytes do not fit a buffer of {view.len} bytes"
                )
            mboxio_copy_out(view.buf, &self.entry)
        finally:
            PyBuffer_Release(&view)
        return self.entry.length

    cpdef bint advance(self) except -1:
        self.check_here()
        self.entry.payload = NULL
        mboxio_advance(&self.ring)

    cpdef bint release(self) except -1:
        mboxio_release(&self.ring)
        return False

    cpdef int pending(self) except -1:
        return self.check(mboxio_pending(&self.ring))

    cdef int check(self, int result) except -1:
        if result < 0:
            raise self.lied(result, self.ring.lie_value)
        return result

    cdef int check_here(self) except -1:
        if self.entry.payload is NULL:
            raise RuntimeError("there is no message under peek")
        return 0
