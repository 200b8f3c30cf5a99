import cython

from mboxio.driver.base_channel cimport BaseChannel
from mboxio.driver.controller cimport Outcome
from mboxio.sim.swarm.faulty cimport FaultyFirmware
from mboxio.sim.world.firmware cimport Letter, Port
from mboxio.sim.world.mailbox cimport Mailbox

cdef int BUSY_NS, GONE_MAX_NS, NEVER_SEEN, NUMBER_AT, NUMBER_END


cdef class FaultyMailbox(Mailbox):
    cdef public FaultyFirmware faulty
    cdef public dict in_error
    cdef public bint gone

    cpdef void heal(self) except *
    @cython.locals(faulty=FaultyFirmware, port=Port)
    cpdef Outcome send(self, BaseChannel channel, long long handle, bytes message)
    cpdef void service(self, queue, str why) except *
    cpdef void read(self, Letter letter) except *
    @cython.locals(faulty=FaultyFirmware, port=Port)
    cpdef void leave_fifo(self, Letter letter, long long now_ns) except *
    cpdef void die(self) except *
    cpdef void restart(self, str reason) except *
