from mboxio.clock cimport Clock
from mboxio.native cimport Mutex


cdef class Gate:
    cdef public Clock clock
    cdef public object trace, notes, ports
    cdef public Mutex lock, draining
    cdef public list dirty, wakes, kicks
    cdef public bint forked, lost

    cpdef void enter(self) except *
    cpdef void leave(self) except *
    cpdef void settle(self) except *
    cpdef void unlock_and_act(self) except *
    cpdef void run_ports(self) except *
    cpdef may_wait(self)
