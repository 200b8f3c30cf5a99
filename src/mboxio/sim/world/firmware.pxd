import cython

from mboxio.driver.base_channel cimport BaseChannel
from mboxio.driver.controller cimport Controller
from mboxio.sim.clock cimport Timer, VirtualClock


cdef class Firmware


cdef class Port:
    cdef public list inbox, taken
    cdef public set unanswered
    cdef public long long used, without_room

    cpdef void empty(self) except *


cdef class Letter(Timer):
    cdef public Firmware firmware
    cdef public BaseChannel channel
    cdef public Port port
    cdef public bytes data
    cdef public long long handle, at_ns, begun_ns, life
    cdef public int status
    cdef public bint arrived


cdef class Registers(Controller):
    cpdef void leave_fifo(self, Letter letter, long long now_ns) except *
    cpdef void answer(self, Letter letter, long long now_ns) except *
    cpdef void die(self) except *


cdef class Firmware:
    cdef public VirtualClock clock
    cdef public Registers mailbox
    cdef public object service_ns, copy_ns, waiting
    cdef public bint copies
    cdef public long long idle, workers, life, begun, bus_free_ns, false_time_outs
    cdef public dict answered, given_up

    @cython.locals(letter=Letter)
    cpdef Letter letter(self, BaseChannel channel, Port port, long long handle, bytes data, long long at_ns)
    cpdef void arrive(self, Letter letter) except *
    @cython.locals(letter=Letter, begin_ns=cython.longlong)
    cpdef void take(self, long long now_ns) except *
    @cython.locals(now_ns=cython.longlong)
    cpdef void finished(self, Letter letter) except *
    cpdef void answer(self, Letter letter, long long now_ns) except *
    cpdef void restart(self) except *
    @cython.locals(number=bytes)
    cpdef void note(self, Letter letter, long long took_ns) except *
    cpdef void ended(self, bytes number) except *
    @cython.locals(took_ns=cython.longlong)
    cpdef void timed_out(self, bytes number, long long timeout_ns, bint left) except *
