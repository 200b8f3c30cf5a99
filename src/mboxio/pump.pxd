import cython

from mboxio.clock cimport Clock, Parker
from mboxio.controller cimport Controller
from mboxio.gate cimport Gate
from mboxio.queue cimport Queue
from mboxio.request cimport Request, Waitable

cdef int GLANCES_PER_TURN, LOOKS_PER_TIME
cdef str EVENT, LOOK
cdef long long FOREVER


cdef class Pump:
    cdef public object host, parked, worker
    cdef public Gate gate
    cdef public Clock clock
    cdef public Controller controller
    cdef public list queues, loops
    cdef public tuple descriptors
    cdef public dict pollers
    cdef public list kick_fds
    cdef public Parker leader
    cdef public bint listening, closed, distant
    cdef public int asleep
    cdef public unsigned int glances
    cdef public long long spin_ns, spin_now_ns, reconnect_ns, reconnect_pause_ns

    @cython.locals(queue=Queue)
    cpdef turn(self, long long now_ns, str why)
    cpdef serve(self, Queue queue, long long now_ns, str why)
    cpdef glance(self, Queue queue, bint for_reply, long long now_ns)
    @cython.locals(queue=Queue, ready=bint)
    cpdef bint arm(self) except -1
    cpdef look(self)
    cpdef str hint(self)
    cpdef poller(self, int kick_fd)
    cpdef look_now(self, long long now_ns, str why=*)
    cpdef rearm(self)
    @cython.locals(queue=Queue, due=cython.longlong, busy=bint)
    cpdef long long due_ns(self) except? -1
    @cython.locals(parker=Parker)
    cpdef bint wait(self, Waitable waitable, long long until_ns) except -1
    @cython.locals(queue=Queue, now_ns=cython.longlong, end_ns=cython.longlong, looks=int, for_reply=bint)
    cpdef bint spin(self, Waitable waitable, long long until_ns) except -1
    cpdef take_lead(self, Parker parker)
    cpdef step_down(self, Parker parker, Waitable waitable)
    @cython.locals(now_ns=cython.longlong, wake_ns=cython.longlong, over=bint, why=str)
    cpdef lead(self, Parker parker, Waitable waitable, long long until_ns)
    cpdef int kick_fd_for(self, Parker parker) except? -1
    cpdef str sleep(self, poller, int kick_fd, long long until_ns)
    cpdef woke(self, Parker parker)
    cpdef kick(self)
    cpdef watch(self, tuple descriptors)
