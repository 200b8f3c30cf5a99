import cython

from mboxio.driver.base_channel cimport BaseChannel
from mboxio.driver.controller cimport Outcome
from mboxio.sim.clock cimport Timer, VirtualClock
from mboxio.sim.world.firmware cimport Firmware, Letter, Port, Registers
from mboxio.sim.world.loop cimport VirtualLoop

cdef int WORD_BYTES
cdef str EVENT, LOOK
cdef Outcome SENT


cdef class Mailbox


cdef class Interrupt(Timer):
    cdef public Mailbox mailbox
    cdef public bint pending


cdef class Mailbox(Registers):
    cdef public object board
    cdef public VirtualClock clock
    cdef public Firmware firmware
    cdef public VirtualLoop loop
    cdef public Interrupt line
    cdef public list channels
    cdef public long long doorbell_ns, interrupt_ns, access_ns, depth, message_bytes
    cdef public long long accesses, interrupts, doorbells, looks
    cdef public bint deposits, tells_tx_done, interrupts_on_tx_done, interrupts_on_reply, by_hardware

    @cython.locals(port=Port, at_ns=cython.longlong)
    cpdef Outcome send(self, BaseChannel channel, long long handle, bytes message)
    @cython.locals(port=Port, letter=Letter, taken=list, inbox=list)
    cpdef void service(self, queue, str why) except *
    cpdef void read(self, Letter letter) except *
    cdef void touch(self, long long accesses) noexcept
    @cython.locals(port=Port)
    cpdef void leave_fifo(self, Letter letter, long long now_ns) except *
    cpdef void answer(self, Letter letter, long long now_ns) except *
    cpdef void restart(self, str reason) except *
    cpdef void interrupt(self, long long now_ns) except *
    cpdef void spin(self) except *
