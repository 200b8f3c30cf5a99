import cython

from mboxio._base.clock cimport Parker
from mboxio.driver.controller cimport Controller, Probe
from mboxio._base.gate cimport Gate
from mboxio._queue.queue cimport Queue
from mboxio._base.request cimport Request
from mboxio._pump.sleepers cimport Sleepers, doze

cdef int LOOKS_PER_TURN
cdef str EVENT, LOOK
cdef long long FOREVER


cdef class Pump(Sleepers):
    cdef public object life, parked
    cdef public Gate gate
    cdef public Controller controller
    cdef public list queues, loops
    cdef public Parker leader
    cdef public bint listening, distant
    cdef public long long spin_ns, spin_now_ns, reconnect_ns

    @cython.locals(queue=Queue)
    cpdef bint turn(self, long long now_ns, str why) except -1
    cpdef bint serve(self, Queue queue, long long now_ns, str why) except -1
    @cython.locals(other=Queue)
    @cython.locals(driver=object)
    cpdef bint serve_again(self, Queue queue, str why, error) except -1
    cdef bint glance(self, Request waitable, Queue queue, bint first) except -1
    cdef bint serve_spinner(self, Queue queue, bint only_replies) except -1
    @cython.locals(queue=Queue, ready=bint)
    cpdef bint arm(self) except -1
    cpdef bint look(self) except -1
    cpdef long long look_for(self, str why) except -1
    cpdef bint look_now(self, long long now_ns, str why=*) except -1
    cpdef bint rearm(self) except -1
    @cython.locals(queue=Queue, due=cython.longlong, busy=bint)
    cpdef long long due_ns(self) except? -1
    cpdef bint wait(self, Request waitable, long long until_ns) except -1
    @cython.locals(parker=Parker)
    cpdef bint drive(self, Request waitable, long long until_ns) except -1
    @cython.locals(queue=Queue, probe=Probe, now_ns=cython.longlong, end_ns=cython.longlong, looks="unsigned int", only_replies=bint, spins=bint, full=bint, looked=bint)
    cpdef bint spin(self, Request waitable, long long until_ns) except -1
    @cython.locals(due_ns=cython.longlong)
    cpdef bint stand_by(self, Parker parker, Request waitable, long long until_ns) except -1
    cpdef bint interrupts(self, Parker parker, Parker leader) except -1
    cpdef bint take_lead(self, Parker parker) except -1
    cpdef void step_down(self, Parker parker, Request waitable) except *
    @cython.locals(why=str)
    cpdef void lead(self, Parker parker, Request waitable, long long until_ns) except *
    @cython.locals(now_ns=cython.longlong, over=bint)
    cpdef bint lead_on(self, Parker parker, Request waitable, long long until_ns, str why) except -1
    cpdef bint kick(self) except -1
    cpdef watch(self, tuple descriptors)
