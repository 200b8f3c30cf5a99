import cython
from cpython cimport array

from mboxio._base.request cimport Request
from mboxio._queue.queue cimport Queue
from mboxio._queue.window cimport Window
from mboxio.controllers.virtio_rpmsg.endpoints cimport Endpoint
from mboxio.driver.base_channel cimport BaseChannel
from mboxio.driver.controller cimport Controller, Outcome, Probe
from mboxio.ring.contract cimport Armed
from mboxio.rpmsg.link cimport RpmsgLink

cdef str EVENT
cdef long long SOURCE_FIRST, SOURCE_SPAN, STATUS_NS, NAME_SERVICE, UNKNOWN
cdef Outcome SENT


cdef class LinkProbe(Probe):
    cdef public RpmsgLink rings
    cdef public Armed armed

    cpdef bint news(self, bint only_replies) except -1
    @cython.locals(armed=Armed)
    cpdef bint shares_cpu(self) except -1


cdef class RpmsgTraffic(Controller):
    cdef public object options, region, bells, endpoints, device, strays
    cdef public dict addresses
    cdef public bint is_host, by_source, is_armed, linked, up, heeds_silence
    cdef public RpmsgLink rings
    cdef public Queue queue
    cdef public Armed armed
    cdef public long long status_ns, first_source
    cdef public int status_at
    cdef public array.array handles
    cdef public list unsent
    cdef public Endpoint latest
    cdef public Outcome gone

    @cython.locals(endpoint=Endpoint)
    cpdef bint check(self, BaseChannel channel, bytes message) except -1
    @cython.locals(rings=RpmsgLink, endpoint=Endpoint, source=cython.longlong, head=int, is_host=bint)
    cpdef Outcome send(self, BaseChannel channel, long long handle, bytes message)
    @cython.locals(armed=Armed)
    cdef bint must_ring(self, int queue) except -1
    cpdef void service(self, queue, str why) except *
    @cython.locals(done=list, returned=bint)
    cdef bint progress(self) except -1
    @cython.locals(rings=RpmsgLink, head=int, handle=cython.longlong)
    cdef bint reap(self, list done) except -1
    @cython.locals(rings=RpmsgLink, left=int, came=bint, message=bytes)
    cdef void drain(self) except *
    @cython.locals(endpoint=Endpoint, channel=BaseChannel)
    cdef bint deliver(self, long long source, long long destination, bytes message) except -1
    @cython.locals(rings=RpmsgLink, sure=bint)
    cpdef bint arm(self, queue) except -1
    cdef bint ring_surely(self, int queue) except -1
    @cython.locals(now_ns=cython.longlong, rings=RpmsgLink)
    cdef bint same_life(self) except -1


@cython.locals(channel=BaseChannel)
cdef int take_ordinary(Endpoint latest, int most) except -1
@cython.locals(
    window=Window, request=Request, asked=Endpoint, channel=BaseChannel, latest=cython.longlong, handle=cython.longlong, number=cython.longlong
)
cdef void take_answer(
    RpmsgTraffic traffic, long long source, long long destination, bytes message
) except *
