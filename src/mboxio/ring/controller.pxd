import cython

from mboxio.base_channel cimport BaseChannel
from mboxio.controller cimport Controller, Outcome
from mboxio.queue cimport Queue
from mboxio.ring.ring cimport Armed, Consumer, Producer

cdef str EVENT
cdef int ERROR, MESSAGE, REPLY, REQUEST, STATUS_BYTES
cdef long long TAG_MASK, TAG_SPAN
cdef Outcome SENT


cdef class Lane:
    cdef public Producer producer
    cdef public Consumer consumer
    cdef public bint framed
    cdef public Queue queue
    cdef public BaseChannel channel


cdef class RingController(Controller):
    cdef public list lanes
    cdef public Armed armed
    cdef public bint is_armed, linked, wary
    cdef public Outcome busy, gone

    cpdef ring_doorbell(self, Lane lane)
    cpdef hear(self, queue)
    cpdef attend(self, queue)
    cpdef bint arm_for(self, queue) except -1
    cpdef bint excused(self) except -1
    cpdef bint same_life(self) except -1
    @cython.locals(lane=Lane, kind=int)
    cpdef Outcome send(self, BaseChannel channel, long long handle, bytes message)
    @cython.locals(lane=Lane)
    cpdef Outcome reply(self, BaseChannel channel, long long handle, long long tag, bytes message, int status)
    @cython.locals(lane=Lane, known=Queue)
    cpdef service(self, queue, str why)
    @cython.locals(consumer=Consumer, full=bint, left=int)
    cdef move(self, Lane lane, bint only_replies)
    @cython.locals(consumed=int)
    cdef bint progress(self, Lane lane) except -1
    @cython.locals(consumer=Consumer)
    cpdef drain(self, Lane lane, int left)
    @cython.locals(kind=int, channel=BaseChannel)
    cdef deliver(self, Lane lane, Consumer consumer)
    @cython.locals(latest=cython.longlong, handle=cython.longlong)
    cpdef long long whole(self, Lane lane, long long tag) except? -1
    @cython.locals(lane=Lane, known=Queue)
    cpdef bint arm(self, queue) except -1
