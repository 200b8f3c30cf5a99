import cython

from mboxio.driver.base_channel cimport BaseChannel
from mboxio.driver.controller cimport Controller, Outcome, Probe
from mboxio._queue.queue cimport Queue
from mboxio.ring.contract cimport Armed, Consumer, Producer

cdef str EVENT
cdef int ERROR, MESSAGE, REPLY, REQUEST, STATUS_BYTES
cdef long long TAG_MASK, TAG_SPAN
cdef Outcome SENT


cdef class Lane(Probe):
    cdef public Producer producer
    cdef public Consumer consumer
    cdef public bint framed, owes
    cdef public Queue queue
    cdef public BaseChannel channel

    @cython.locals(consumer=Consumer, producer=Producer)
    cpdef bint news(self, bint only_replies) except -1
    @cython.locals(producer=Producer, armed=Armed)
    cpdef bint shares_cpu(self) except -1


cdef class RingController(Controller):
    cdef public list lanes
    cdef public Armed armed
    cdef public bint is_armed, linked, wary
    cdef public Outcome busy, gone
    cdef public object batches

    cpdef bint ring_doorbell(self, Lane lane) except -1
    cdef bint ring_surely(self, Lane lane) except -1
    cpdef bint hear(self, queue) except -1
    cpdef bint attend(self, queue) except -1
    cpdef bint arm_for(self, queue) except -1
    cpdef bint excused(self) except -1
    cpdef bint same_life(self) except -1
    @cython.locals(lane=Lane, kind=int)
    cpdef Outcome send(self, BaseChannel channel, long long handle, bytes message)
    @cython.locals(lane=Lane)
    cpdef Outcome reply(self, BaseChannel channel, long long handle, long long tag, bytes message, int status)
    @cython.locals(lane=Lane, known=Queue)
    cpdef void service(self, queue, str why) except *
    @cython.locals(waiting=int)
    cdef bint move(self, Lane lane, bint only_replies) except -1
    @cython.locals(consumed=int, waiting=int, message=bytes, taken=list)
    cdef void move_warily(self, Lane lane, bint only_replies) except *
    cdef void tell_of_room(self, Lane lane, int waited) except *
    @cython.locals(consumed=int)
    cdef bint progress(self, Lane lane) except -1
    @cython.locals(consumer=Consumer, message=bytes)
    cpdef void drain(self, Lane lane, int left) except *
    @cython.locals(lane=Lane, known=Queue, sure=bint)
    cpdef bint arm(self, queue) except -1


cdef bint hand_up(Lane lane, int kind, long long tag, bytes message) except -1
@cython.locals(channel=BaseChannel)
cdef bint deliver(Lane lane, int kind, long long tag, bytes message) except -1
@cython.locals(latest=cython.longlong, handle=cython.longlong)
cdef long long whole(Lane lane, long long tag) except? -1
