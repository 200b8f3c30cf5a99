from mboxio._base.request cimport Request
from mboxio.sim.swarm.chance cimport Chance
from mboxio.sim.swarm.faulty cimport FaultyFirmware
from mboxio.sim.world.client cimport Call, SimulatedClient

cdef int DONE, NUMBER_AT, NUMBER_END


cdef class SwarmClient(SimulatedClient):
    cdef public FaultyFirmware faulty
    cdef public Chance posts, lends
    cdef public bytearray blank
    cdef public object untouched
    cdef public long long touched

    cpdef Request send(self, Call call)
    cpdef void submitted(self, Call call, Request request) except *
    cpdef bint is_right(self, Call call, Request request) except -1
    cpdef void over(self, Call call, Request request) except *
