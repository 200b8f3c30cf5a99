import cython

from mboxio.controller cimport Controller, Outcome
from mboxio.queue cimport Queue
from mboxio.ring.ring cimport Armed, Consumer, Producer

cdef int ERROR, MESSAGE, REPLY, REQUEST, STATUS_BYTES
cdef Outcome SENT


cdef class Lane:
    cdef public Producer producer
    cdef public Consumer consumer
    cdef public bint framed
    cdef public Queue queue
    cdef public object channel


cdef class RingController(Controller):
    cdef public dict lanes
    cdef public Armed armed
    cdef public bint is_armed
    cdef public Outcome busy

    cpdef ring_doorbell(self, Lane lane)
    @cython.locals(lane=Lane)
    cpdef Outcome send(self, channel, long long handle, bytes message)
    @cython.locals(lane=Lane)
    cpdef Outcome reply(self, channel, long long handle, long long tag, bytes message, int status)
    @cython.locals(lane=Lane, consumer=Consumer)
    cpdef service(self, queue, str why)
    @cython.locals(consumed=int)
    cpdef bint progress(self, Lane lane) except *
    @cython.locals(consumer=Consumer)
    cpdef drain(self, Lane lane)
    cpdef deliver(self, Lane lane, Consumer consumer)
    @cython.locals(latest=cython.longlong, handle=cython.longlong)
    cpdef long long whole(self, Lane lane, long long tag) except? -1
    @cython.locals(lane=Lane)
    cpdef bint arm(self, queue) except *
