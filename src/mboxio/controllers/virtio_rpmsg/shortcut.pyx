"""The short way of ordinary requests over RPMsg's rings in compiled memory; see `ordinary.pyx`.

Of the host only, which knows where its buffers are. All that the other side wrote is read once and
believed no further than the general way believes it; what that would refuse is left to it.
"""

import cython
from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_SIZE
from cpython.object cimport PyObject
from libc.stdint cimport uint16_t, uint32_t
from libc.string cimport memcpy

from mboxio._base.gate cimport Gate
from mboxio._base.native cimport pause
from mboxio._base.recycled cimport again, fresh, spare
from mboxio._base.request cimport Owner, Request
from mboxio.controllers.ordinary cimport FOREVER, SEEN_REQUEST, OrdinaryShortcut
from mboxio.controllers.virtio_rpmsg.endpoints cimport Endpoint
from mboxio.controllers.virtio_rpmsg.traffic cimport (
    SOURCE_FIRST,
    SOURCE_SPAN,
    UNKNOWN,
    RpmsgTraffic,
)
from mboxio.driver.correlate cimport Correlator
from mboxio.driver.shortcut cimport LOOKS
from mboxio.rpmsg.link cimport HostLink
from mboxio.virtio.memory_words cimport (
    MemoryWords,
    mboxio_observe16,
    mboxio_publish16,
    mboxio_put16,
    mboxio_put32,
    mboxio_word32,
)
from mboxio.virtio.ring cimport HostRing

from mboxio.controllers.virtio_rpmsg import traffic as general

__all__ = ["RpmsgShortcut"]

cdef enum:
    BATCH = 64
    HEADER_BYTES = 16
    WRAP = 0xFFFF

cdef long long NO_HANDLE = general.NO_HANDLE


@cython.final
cdef class RpmsgShortcut(OrdinaryShortcut):
    """The short way of one endpoint in one life of its link.

    Args:
        traffic: a host whose ``send``, ``service`` and ``check`` are `RpmsgTraffic`'s own.
        endpoint: whose channel ties replies by their order or their destination.
    """

    cdef RpmsgTraffic traffic
    cdef Endpoint endpoint
    cdef HostLink link
    cdef HostRing incoming, outgoing
    cdef MemoryWords words  # keeps ``base`` where it is
    cdef Correlator correlator  # None: the destination of a reply says whose it is
    cdef char *base
    cdef Py_ssize_t receiving, sending
    cdef int buffer_bytes

    def __init__(self, RpmsgTraffic traffic, Endpoint endpoint):
        OrdinaryShortcut.__init__(self, endpoint.channel, traffic.armed)
        self.checked = True  # `is_ordinary` asks what `RpmsgTraffic.check` does
        self.traffic = traffic
        self.endpoint = endpoint
        self.link = traffic.rings
        self.incoming, self.outgoing = self.link.incoming, self.link.outgoing
        self.words = self.link.words
        self.base = self.words.base
        self.receiving, self.sending = self.link.receiving, self.link.sending
        self.buffer_bytes = self.link.buffer_bytes
        self.correlator = None if traffic.by_source else self.channel.correlator

    cdef int ring(self) except -1:
        self.traffic.ring_surely(1)
        return 0

    # -- out

    cdef inline bint is_ordinary(self, Owner owner) noexcept:
        """Return whether a message of this owner is, unless it finds no place."""
        return self.lives() and self.endpoint.remote != UNKNOWN and self.nothing_disturbs(owner)

    cdef inline bint lives(self) noexcept:
        """Return whether the rings are those of the life that the core knows."""
        return (
            self.traffic.rings is self.link and self.traffic.linked and self.traffic.up
            and (self.correlator is None or self.channel.correlator is self.correlator)
        )

    cdef inline Py_ssize_t vacancies(self) noexcept:
        """As `places`, where the correlator may take fewer; none where nothing may leave."""
        if self.outgoing.lie:
            return 0
        if self.correlator is None:
            return self.places()
        if self.channel.order.out_of_step:
            return 0
        return min(self.places(), self.correlator.in_flight_max - self.correlator.in_flight)

    cdef inline bint has_buffer(self, Py_ssize_t length) except -1:
        """Return whether a message of this length fits, and a buffer is free."""
        if length > self.link.message_bytes or not self.fits(length):
            return False
        return PyList_GET_SIZE(self.link.free_heads) > 0 or self.take_back()

    cdef bint take_back(self) except -1:
        """Take back the buffers of requests that were answered; False: there is none first."""
        cdef HostRing ring = self.outgoing
        cdef const char *entry
        cdef uint32_t head
        cdef long long handle
        if not self.came_back(ring):
            return False
        while ring.known:
            entry = self.base + ring.used + 4 + 8 * (ring.seen & ring.mask)
            head = mboxio_word32(entry)
            if head >= ring.num or not PyByteArray_AS_STRING(ring.lent)[head]:
                break  # a lie
            handle = self.traffic.handles.data.as_longlongs[head]
            if handle != NO_HANDLE and self.window.find(handle) is not None:
                break  # for it, this is news
            self.link.free_heads.append(head)
            PyByteArray_AS_STRING(ring.lent)[head] = 0
            ring.seen = (ring.seen + 1) & WRAP
            ring.known -= 1
        return PyList_GET_SIZE(self.link.free_heads) > 0

    cdef inline bint came_back(self, HostRing ring) noexcept:
        """As `HostRing.waiting`; False also where that would raise."""
        cdef unsigned int step
        if ring.lie:
            return False
        if not ring.known:
            step = (mboxio_observe16(self.base + ring.used + 2) - ring.seen) & WRAP
            if step > ((ring.made - ring.seen) & WRAP):
                return False
            ring.known = step
        return ring.known > 0

    cdef inline bint put(self, Request request, Owner owner, bytes data, long long timeout_ns,
                         long long deadline_ns) except -1:
        """Put a message into a buffer that is free, and hand it over, but for what `count` does."""
        cdef HostRing ring = self.outgoing
        cdef long long handle = self.window.next_seq << self.window.shift | 1
        cdef long long source = self.endpoint.address
        cdef Py_ssize_t length = PyBytes_GET_SIZE(data)
        cdef int head
        cdef char *at
        if self.correlator is None:
            source = SOURCE_FIRST + (self.traffic.first_source + handle) % SOURCE_SPAN
        else:
            self.channel.order.expect(request)  # first: memory may lack
            self.correlator.in_flight += 1
        head = self.link.free_heads.pop()
        at = self.base + self.sending + head * self.buffer_bytes
        mboxio_put32(at, <uint32_t> source)
        mboxio_put32(at + 4, <uint32_t> self.endpoint.remote)
        mboxio_put32(at + 8, 0)
        mboxio_put32(at + 12, <uint32_t> length)
        memcpy(at + HEADER_BYTES, PyBytes_AS_STRING(data), length)
        mboxio_put32(self.base + ring.base + 16 * head + 8, <uint32_t> (HEADER_BYTES + length))
        self.traffic.handles.data.as_longlongs[head] = handle
        self.offer(ring, head)
        mboxio_publish16(self.base + ring.available + 2, <uint16_t> ring.made)
        self.enter(request, owner, data, handle, timeout_ns, deadline_ns)
        return True

    cdef inline void offer(self, HostRing ring, unsigned int head) noexcept:
        """As `HostRing.offer`, but for the index, which is written once for a batch."""
        mboxio_put16(self.base + ring.available + 4 + 2 * (ring.made & ring.mask), <uint16_t> head)
        ring.made = (ring.made + 1) & WRAP
        PyByteArray_AS_STRING(ring.lent)[head] = 1

    cpdef Request submit(self, Owner owner, bytes data, long long timeout_ns):
        cdef Request request = spare()
        cdef long long now_ns, deadline_ns
        if request is None:
            request = fresh()  # first: the collector may run here, and anything in it
        if (
            not self.is_ordinary(owner) or self.vacancies() <= 0
            or not self.has_buffer(PyBytes_GET_SIZE(data))
        ):
            return None
        now_ns = self.now_ns()
        if now_ns >= self.queue.next_deadline_ns:
            return None
        deadline_ns = FOREVER if timeout_ns == FOREVER else now_ns + timeout_ns
        self.put(request, owner, data, timeout_ns, deadline_ns)
        self.count(1, deadline_ns)
        if self.gate.tap is not None:
            self.gate.tap.see(SEEN_REQUEST, self.channel.number, request, data, 0, now_ns)
        if self.armed.needs_doorbell():  # the remote fell asleep just now
            self.ring_for(request)
        return request

    cpdef Py_ssize_t fill(self, Owner owner, list messages, Py_ssize_t at, list line,
                          Py_ssize_t place, Py_ssize_t most, long long timeout_ns) except -1:
        cdef Py_ssize_t mask = len(line) - 1, sent = 0
        cdef Request request
        cdef object message
        cdef long long now_ns, deadline_ns
        if not self.is_ordinary(owner):
            return 0
        now_ns = self.now_ns()
        if now_ns >= self.queue.next_deadline_ns:
            return 0
        deadline_ns = FOREVER if timeout_ns == FOREVER else now_ns + timeout_ns
        most = min(most, len(messages) - at, self.vacancies())
        while sent < most:
            message = messages[at + sent]
            request = again(line, (place + sent) & mask)
            if (
                request is None or type(message) is not bytes
                or not self.has_buffer(PyBytes_GET_SIZE(<bytes> message))
            ):
                break
            try:
                self.put(request, owner, <bytes> message, timeout_ns, deadline_ns)
            except MemoryError:
                break  # before anything happened: the general way says so
            sent += 1
        if sent:
            self.count(sent, deadline_ns)
        return sent

    # -- back

    cdef inline Request asked_by(self, uint32_t source, uint32_t destination):
        """Return the request that a message from there to here answers; None: it is another one."""
        cdef long long latest, handle
        cdef Request request
        if self.endpoint.remote != source:
            return None
        if self.correlator is not None:
            if self.endpoint.address != destination or self.channel.order.out_of_step:
                return None
            request = self.channel.order.next_one()
            if request is None or not self.stands(request):
                return None
        else:
            if destination < SOURCE_FIRST or destination >= SOURCE_FIRST + SOURCE_SPAN:
                return None
            # as `take_answer` says, where nothing moved aside
            latest = ((self.window.next_seq + 1) << self.window.shift) - 1
            handle = (destination - SOURCE_FIRST + SOURCE_SPAN - self.traffic.first_source) % SOURCE_SPAN
            handle += latest - latest % SOURCE_SPAN
            if handle > latest:
                handle -= SOURCE_SPAN
            request = self.window.find(handle)
            if request is None:
                return None
        return request if self.is_awaited(request) else None

    cdef inline bint stands(self, Request request) noexcept:
        """Return whether a request is in the window, and not aside."""
        cdef Py_ssize_t position = (request.handle >> self.window.shift) & self.window.mask
        return self.held_at(position) == <PyObject *> request

    cpdef int take(self, int most) except -1:
        cdef HostRing ring = self.incoming
        cdef Request request
        cdef uint16_t heads[BATCH]
        cdef const char *entry
        cdef const char *at
        cdef uint32_t head, filled, length
        cdef int taken = 0, limit = min(most, BATCH), given
        if not self.lives() or not self.may_come() or not self.came_back(ring):
            return 0
        try:
            while taken < limit and ring.known:
                entry = self.base + ring.used + 4 + 8 * (ring.seen & ring.mask)
                head = mboxio_word32(entry)
                filled = mboxio_word32(entry + 4)
                if head >= ring.num or not PyByteArray_AS_STRING(ring.lent)[head]:
                    break  # a lie, as the next two
                if filled < HEADER_BYTES or filled > <uint32_t> self.buffer_bytes:
                    break
                at = self.base + self.receiving + head * self.buffer_bytes
                length = mboxio_word32(at + 12) & 0xFFFF
                if length > filled - HEADER_BYTES:
                    break
                request = self.asked_by(mboxio_word32(at), mboxio_word32(at + 4))
                if request is None:
                    break
                request._value = PyBytes_FromStringAndSize(at + HEADER_BYTES, length)
                PyByteArray_AS_STRING(ring.lent)[head] = 0
                ring.seen = (ring.seen + 1) & WRAP
                ring.known -= 1
                heads[taken] = <uint16_t> head
                taken += 1
                if self.correlator is not None:
                    self.channel.order.answered(request)
                    self.correlator.in_flight -= 1
                self.end(request, (request.handle >> self.window.shift) & self.window.mask)
        finally:
            if taken:
                for given in range(taken):
                    self.offer(ring, heads[given])
                mboxio_publish16(self.base + ring.available + 2, <uint16_t> ring.made)
        return taken

    cpdef int look(self, Request request) except -1:
        cdef HostRing ring = self.incoming
        cdef Gate gate = self.gate
        cdef int looks
        # A sleeper's announcement, another life and announcements are for a turn of the pump.
        if self.traffic.is_armed or self.traffic.unsent or gate.forked or not self.lives():
            return 0
        if request._deadline_ns == FOREVER:
            if self.now_ns() >= self.traffic.status_ns:
                return 0
        # it was sent just now, so no clock is read
        elif request._deadline_ns - request._timeout_ns >= self.traffic.status_ns:
            return 0
        for looks in range(1, LOOKS + 1):
            if mboxio_observe16(self.base + ring.used + 2) != ring.seen:
                if not gate.lock.take():
                    return 0
                try:
                    if self.take(BATCH) and self.armed.needs_doorbell():
                        self.traffic.ring_surely(0)
                finally:
                    gate.leave()
                return looks if request.over else 0
            if looks == 1 and self.armed.shares_cpu():
                return 0  # looking on would keep the remote from answering
            pause()
        return 0
