import cython

from mboxio.driver.base_channel cimport BaseChannel
from mboxio.sim.clock cimport Timer
from mboxio.sim.swarm.chance cimport Chance
from mboxio.sim.world.firmware cimport Firmware, Letter, Registers

cdef int DOUBLE_MAX_NS, KEPT_NS, SILENCE_MAX_NS


cdef class FaultyFirmware


cdef class Delivery(Timer):
    cdef public FaultyFirmware firmware
    cdef public Letter letter
    cdef public long long at_ns
    cdef public bint kept


cdef class FaultyFirmware(Firmware):
    cdef public Chance lost, late, double, reordered, wrong, oversized, error, dies, stops
    cdef public Chance busy, lost_tx_done, cancels
    cdef public dict chances
    cdef public object counted, amount
    cdef public bytes oversize
    cdef public set heard
    cdef public Letter kept
    cdef public long long silent_until_ns
    cdef public bint by_hardware, deposits, tells_tx_done, waking

    cpdef void heal(self) except *
    cpdef void happened(self, str fault) except *
    cpdef void take(self, long long now_ns) except *
    cpdef void finished(self, Letter letter) except *
    cpdef void answer(self, Letter letter, long long now_ns) except *
    cpdef void later(self, Letter letter, long long now_ns, long long most_ns) except *
    @cython.locals(kept=Letter)
    cpdef void deliver(self, Letter letter, long long now_ns) except *
    cpdef void lie(self, Letter letter, long long now_ns) except *
    cpdef void restart(self) except *
    cpdef void note(self, Letter letter, long long took_ns) except *
    cpdef void ended(self, bytes number) except *
    cpdef void timed_out(self, bytes number, long long timeout_ns, bint left) except *
