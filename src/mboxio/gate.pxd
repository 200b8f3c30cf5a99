from mboxio.clock cimport Clock
from mboxio.native cimport Mutex


cdef class Gate:
    cdef public Clock clock
    cdef public object trace, notes, ports
    cdef public Mutex lock, draining
    cdef public list dirty, wakes, kicks
    cdef public bint forked, lost, noted

    cpdef enter(self)
    cpdef wait_for_lock(self)
    cpdef leave(self)
    cpdef settle(self)
    cpdef unlock_and_act(self)
    cpdef run_ports(self)
    cpdef may_wait(self)
