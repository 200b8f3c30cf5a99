from mboxio.clock cimport Clock, Parker
from mboxio.controller cimport Controller
from mboxio.gate cimport Gate

cdef str EVENT, LOOK
cdef long long FOREVER


cdef class Pump:
    cdef public object host, parked, worker
    cdef public Gate gate
    cdef public Clock clock
    cdef public Controller controller
    cdef public list queues, loops
    cdef public tuple descriptors
    cdef public list kick_fds
    cdef public Parker leader
    cdef public bint listening, closed
    cdef public int asleep
    cdef public long long spin_ns, spin_now_ns, reconnect_ns, reconnect_pause_ns

    cpdef turn(self, long long now_ns, str why)
    cpdef bint arm(self) except *
    cpdef look(self)
    cpdef str hint(self)
    cpdef look_now(self, long long now_ns, str why=*)
    cpdef rearm(self)
    cpdef long long due_ns(self) except? -1
    cpdef bint wait(self, waitable, long long until_ns) except *
    cpdef bint spin(self, waitable, long long until_ns) except *
    cpdef take_lead(self, Parker parker)
    cpdef step_down(self, Parker parker, waitable)
    cpdef lead(self, Parker parker, waitable, long long until_ns)
    cpdef int kick_fd_for(self, Parker parker) except? -1
    cpdef str sleep(self, int kick_fd, long long until_ns)
    cpdef woke(self, Parker parker)
    cpdef kick(self)
    cpdef watch(self, tuple descriptors)
