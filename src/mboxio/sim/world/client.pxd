import cython

from mboxio._base.clock cimport Watcher
from mboxio._base.request cimport Request
from mboxio.sim.clock cimport Timer, VirtualClock
from mboxio.sim.world.firmware cimport Firmware
from mboxio.sim.world.tally cimport Tally

cdef int CANCELLED, DONE, NUMBER_AT, NUMBER_END, NUMBER_SHIFT, TIMED_OUT


cdef class SimulatedClient


cdef class Call(Watcher):
    cdef public SimulatedClient client
    cdef public bytes message
    cdef public long long begun_ns
    cdef public Request request
    cdef public object into
    cdef public bint too_late

    cpdef bint fire(self, core, waitable) except -1
    cpdef void expire(self) except *


cdef class Expiry(Timer):
    cdef public Call call


cdef class SimulatedClient(Timer):
    cdef public Firmware firmware
    cdef public VirtualClock clock
    cdef public Tally tally
    cdef public object sent, submit, client, pause_ns
    cdef public bint stopped, from_queueing, open
    cdef public long long index, message_bytes, timeout_ns, retry_ns, begun, due_ns, window

    @cython.locals(now_ns=cython.longlong, begun_ns=cython.longlong, call=Call, request=Request)
    cpdef void ring(self) except *
    cpdef bytes next_message(self)
    cpdef Request send(self, Call call)
    cpdef void again(self, long long at_ns) except *
    @cython.locals(reply=bytes)
    cpdef bint is_right(self, Call call, Request request) except -1
    cpdef void submitted(self, Call call, Request request) except *
    cpdef void refused(self, error) except *
    @cython.locals(tally=Tally, state=int, now_ns=cython.longlong, number=bytes)
    cpdef void over(self, Call call, Request request) except *
