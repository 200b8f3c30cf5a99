"""The compiled form of ring.py: a packet is written into the ring when it happens.

Nothing here runs Python code once a channel is known, nor makes an object, nor lets go of the GIL:
that is why `RingTap.is_quick` may say so, and why a ring needs no lock. A packet never wraps: where
it would, the rest of the memory stays unused until the next round.
"""

import weakref

from cpython.buffer cimport PyBUF_READ
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset
from mboxio._base.clock cimport Clock
from mboxio._base.request cimport Request
from mboxio._base.tap cimport Tap, number_of

from mboxio._base import states, tap
from mboxio.capture import layout

__all__ = ["UNWANTED", "EventRing", "RingTap"]

cdef int KINDS = tap.SEEN_SENDING
cdef int REQUEST = tap.SEEN_REQUEST, MESSAGE = tap.SEEN_MESSAGE, REPLY = tap.SEEN_REPLY
cdef int ANSWER = tap.SEEN_ANSWER, REMOTE_REQUEST = tap.SEEN_REMOTE_REQUEST
cdef int NOTIFICATION = tap.SEEN_NOTIFICATION, TX_DONE = tap.SEEN_TX_DONE, ENDED = tap.SEEN_ENDED
cdef int LOST = tap.SEEN_LOST, LINK = tap.SEEN_LINK, LATE = tap.SEEN_LATE, UNKNOWN = tap.SEEN_UNKNOWN
cdef int SENT = states.SENT, AWAITING = states.AWAITING, DONE = states.DONE
cdef int AT_REMOTE = layout.AT_REMOTE, HANDED_OVER_SHIFT = layout.HANDED_OVER_SHIFT
cdef int EXPECTS_REPLY = layout.EXPECTS_REPLY, VERSION = layout.VERSION
cdef bytes PREFIX = layout.PREFIX

if len(PREFIX) != 16 or layout.HEAD_BYTES != 24:
    raise AssertionError("ring.pyx writes another head than layout.py says")

UNWANTED = -1

cdef enum:
    KNOWN_MAX = 4096  # channels of one place
    NEW = -2
    PACKET = 6
    LEAD = 28  # of a packet, before its data
    HEADS = 40  # of the data, before the message
    OPTIONS = 24  # at most
    IN = 1
    OUT = 2


cdef inline void put32(char *at, uint32_t word) noexcept:
    memcpy(at, &word, 4)


cdef inline int direction_of(int kind) noexcept:
    if kind == REQUEST or kind == MESSAGE or kind == ANSWER:
        return OUT
    if (kind == REPLY or kind == REMOTE_REQUEST or kind == NOTIFICATION or kind == LATE
            or kind == UNKNOWN):
        return IN
    return 0


cdef class EventRing:
    """See ring.py."""

    cdef char *memory
    cdef readonly long long size_bytes, snap_bytes, offset_ns, events, lost
    cdef long long untold
    cdef long long front, rear  # where the next is put, and where the oldest lies
    cdef long long end  # of what lies from `rear` on, where `front` is before it

    def __cinit__(self, long long size_bytes, long long snap_bytes, long long offset_ns):
        if size_bytes < 1 or snap_bytes < 0:
            raise ValueError("a ring has room, and keeps 0 bytes of a message or more")
        self.size_bytes = size_bytes
        self.snap_bytes = snap_bytes
        self.offset_ns = offset_ns
        self.end = -1
        self.memory = <char *> malloc(size_bytes)
        if self.memory == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.memory)

    @property
    def waiting(self):
        """How many bytes wait to be taken."""
        if self.end < 0:
            return self.front - self.rear
        return self.end - self.rear + self.front

    cdef char *room(self, long long size) noexcept:
        """Return where so many bytes may be written, or NULL."""
        if self.end < 0:
            if self.front + size <= self.size_bytes:
                return self.memory + self.front
            if size >= self.rear:  # never up to it: equal is empty
                return NULL
            self.end = self.front
            self.front = 0
            return self.memory
        return self.memory + self.front if self.front + size < self.rear else NULL

    cdef void put(self, int interface, long long at_ns, int kind, int flags, int outcome,
                  int32_t status, long long number, uint32_t tag, long long channel,
                  const char *message, Py_ssize_t length, int direction) noexcept:
        """Write one packet, or count it as lost."""
        cdef Py_ssize_t kept = min(length, self.snap_bytes)
        cdef Py_ssize_t padded = (kept + 3) & ~3
        cdef uint32_t total = <uint32_t> (LEAD + HEADS + padded + 4)
        cdef uint64_t time = <uint64_t> (at_ns + self.offset_ns)
        cdef char *at
        if direction:
            total += 8
        if self.untold:
            total += 12
        if direction or self.untold:
            total += 4
        at = self.room(total)
        if at == NULL:
            self.lost += 1
            self.untold += 1
            return
        put32(at, PACKET)
        put32(at + 4, total)
        put32(at + 8, interface)
        put32(at + 12, <uint32_t> (time >> 32))
        put32(at + 16, <uint32_t> time)
        put32(at + 20, <uint32_t> (HEADS + kept))
        put32(at + 24, <uint32_t> (HEADS + length))
        memcpy(at + 28, PyBytes_AS_STRING(PREFIX), 16)
        at[44] = <char> VERSION
        at[45] = <char> kind
        at[46] = <char> flags
        at[47] = <char> outcome
        put32(at + 48, <uint32_t> status)
        memcpy(at + 52, &number, 8)
        put32(at + 60, tag)
        put32(at + 64, <uint32_t> (channel & 0xFFFF) | 24 << 16)
        if kept:
            put32(at + 64 + padded, 0)  # the padding
            memcpy(at + 68, message, kept)
        self.events += 1
        self.front += total
        at += LEAD + HEADS + padded
        if direction:
            put32(at, 4 << 16 | 2)
            put32(at + 4, direction)
            at += 8
        if self.untold:
            put32(at, 8 << 16 | 4)
            memcpy(at + 4, &self.untold, 8)
            at += 12
        if direction or self.untold:
            put32(at, 0)
            at += 4
        self.untold = 0
        put32(at, total)

    def tell_lost(self, long long at_ns):
        """See ring.py."""
        if self.untold:
            self.put(0, at_ns, LOST, 0, 0, 0, 0, 0xFFFFFFFF, 0, NULL, 0, 0)

    def take(self, write, long long most_bytes):
        """See ring.py; what is written is not copied before."""
        cdef long long limit = self.front if self.end < 0 else self.end
        cdef long long at = self.rear
        cdef uint32_t total
        while at < limit and at - self.rear < most_bytes:
            memcpy(&total, self.memory + at + 4, 4)
            at += total
        if at == self.rear:
            return False
        try:
            # The lock is free meanwhile: more may be put, but not here.
            write(PyMemoryView_FromMemory(self.memory + self.rear, at - self.rear, PyBUF_READ))
        finally:
            self.rear = at
            if self.end >= 0 and self.rear == self.end:
                self.rear = 0
                self.end = -1
            if self.end < 0 and self.rear == self.front:
                self.rear = self.front = 0
        return True


cdef class RingTap(Tap):
    """See ring.py."""

    cdef EventRing ring
    cdef Clock clock
    cdef object watcher, left, place
    cdef bint remote
    cdef int *interfaces

    def __cinit__(self):
        cdef int each
        self.interfaces = <int *> malloc(KNOWN_MAX * sizeof(int))
        if self.interfaces == NULL:
            raise MemoryError
        for each in range(KNOWN_MAX):
            self.interfaces[each] = NEW

    def __init__(self, EventRing ring, Clock clock, watcher, left, bint remote=False):
        self.ring = ring
        self.clock = clock
        self.watcher = watcher
        self.left = left
        self.remote = remote

    def __dealloc__(self):
        free(self.interfaces)

    def join(self, place):
        """See `Tap.join`."""
        self.place = weakref.ref(place)  # a recording keeps no connection alive

    def leave(self):
        """See `Tap.leave`."""
        self.place = None
        self.left()

    cpdef bint is_quick(self, long long channel) noexcept:
        """See `Tap.is_quick`."""
        return 0 <= channel < KNOWN_MAX and self.interfaces[channel] != NEW

    cdef int interface_of(self, long long channel) except? -1:
        """Return the interface of a channel, which is described before its first event."""
        if not 0 <= channel < KNOWN_MAX:
            return -1
        if self.interfaces[channel] == NEW and self.place is not None:
            place = self.place()
            if place is not None:
                self.interfaces[channel] = self.watcher(place, channel)
        return max(self.interfaces[channel], -1)

    cpdef bint see(
        self,
        int kind,
        long long channel,
        Request request,
        bytes message,
        long long status,
        long long at_ns,
    ) except -1:
        """See `Tap.see`."""
        cdef int interface, flags = AT_REMOTE if self.remote else 0
        cdef int outcome = 0, direction
        cdef long long number = 0
        cdef uint32_t tag = 0xFFFFFFFF
        cdef const char *text = NULL
        cdef Py_ssize_t length = 0
        if kind >= KINDS:
            return True
        interface = self.interface_of(channel)
        if interface < 0:
            return True
        if request is not None:
            outcome = request._state
            if kind == ENDED and outcome == DONE:
                return True  # its reply or its TX done says so
            number = number_of(request)
            if request._remote_tag >= 0:
                tag = <uint32_t> request._remote_tag
            elif request.tag >= 0:
                tag = <uint32_t> request.tag
            elif request._tied and request.handle >= 0:
                tag = <uint32_t> request.handle
            if not status and kind == REPLY and (outcome == SENT or outcome == AWAITING):
                if request._into is None or message is None or len(message) <= len(request._into):
                    outcome = DONE  # else it fails next
            elif not status and kind == TX_DONE and outcome == SENT:
                outcome = AWAITING if request._tied else DONE
            flags |= request._handed << HANDED_OVER_SHIFT
            if request._tied:
                flags |= EXPECTS_REPLY
        elif kind == LINK:
            outcome = message is None
        else:
            direction = direction_of(kind)
            if direction and kind != NOTIFICATION:
                tag = <uint32_t> status
                status >>= 32
                if kind == REQUEST:
                    flags |= EXPECTS_REPLY
        direction = direction_of(kind)
        if self.remote and direction:
            direction ^= IN | OUT
        if message is not None:
            text = PyBytes_AS_STRING(message)
            length = PyBytes_GET_SIZE(message)
        if at_ns == 0:
            at_ns = self.clock.now_ns()
        self.ring.put(interface, at_ns, kind, flags, outcome, <int32_t> status, number, tag,
                      channel, text, length, direction)
        return True
