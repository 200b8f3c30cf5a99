from mboxio._base.request cimport Request
from mboxio.sim.swarm.faulty cimport FaultyFirmware
from mboxio.sim.world.client cimport Call, SimulatedClient


cdef class SwarmClient(SimulatedClient):
    cdef public FaultyFirmware faulty

    cpdef void submitted(self, Call call, Request request) except *
