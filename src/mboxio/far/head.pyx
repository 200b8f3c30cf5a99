"""The head of a frame in C; see head.py."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcpy

__all__ = ["HEAD_BYTES", "Head", "framed"]

cdef extern from *:
    """
    #include <endian.h>
    #include <stdint.h>
    typedef struct __attribute__((packed)) {
        uint8_t kind, zero;
        uint16_t channel;
        int32_t status;
        uint64_t handle;
        uint32_t queue_us, reply_us, length;
    } mboxio_head;
    /* What it does to a head it also undoes. */
    static inline void mboxio_swap(mboxio_head *head) {
        head->channel = htole16(head->channel);
        head->status = (int32_t) htole32((uint32_t) head->status);
        head->handle = htole64(head->handle);
        head->queue_us = htole32(head->queue_us);
        head->reply_us = htole32(head->reply_us);
        head->length = htole32(head->length);
    }
    """
    ctypedef struct mboxio_head:
        unsigned char kind, zero
        unsigned short channel
        int status
        unsigned long long handle
        unsigned int queue_us, reply_us, length

    void to_or_from_wire "mboxio_swap"(mboxio_head *) noexcept

HEAD_BYTES = sizeof(mboxio_head)


cdef class Head:
    """The numbers of one head."""

    cpdef bint read(self, bytes message, Py_ssize_t at) except -1:
        """Take the numbers from a message, which is long enough."""
        cdef mboxio_head head
        if at < 0 or at > PyBytes_GET_SIZE(message) - <Py_ssize_t> sizeof(head):
            raise IndexError(f"no head of {HEAD_BYTES} bytes at {at} of {len(message)}")
        memcpy(&head, PyBytes_AS_STRING(message) + at, sizeof(head))
        to_or_from_wire(&head)
        self.kind = head.kind
        self.zero = head.zero
        self.channel = head.channel
        self.status = head.status
        self.handle = head.handle
        self.queue_us = head.queue_us
        self.reply_us = head.reply_us
        self.length = head.length
        return True


cpdef bytes framed(
    unsigned char kind, unsigned short channel, int status, unsigned long long handle,
    unsigned int queue_us, unsigned int reply_us, bytes data,
):
    """Return a frame as bytes."""
    cdef mboxio_head head
    cdef Py_ssize_t length = len(data)
    if length > 0xFFFFFFFF:
        raise OverflowError(f"{length} bytes in one frame")
    head.kind = kind
    head.zero = 0
    head.channel = channel
    head.status = status
    head.handle = handle
    head.queue_us = queue_us
    head.reply_us = reply_us
    head.length = <unsigned int> length
    to_or_from_wire(&head)
    cdef bytes frame = PyBytes_FromStringAndSize(NULL, sizeof(head) + length)
    memcpy(PyBytes_AS_STRING(frame), &head, sizeof(head))
    memcpy(PyBytes_AS_STRING(frame) + sizeof(head), PyBytes_AS_STRING(data), length)
    return frame
