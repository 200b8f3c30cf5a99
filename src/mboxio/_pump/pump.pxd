import cython

from mboxio._base.clock cimport Parker
from mboxio._base.request cimport Request
from mboxio._pump.sleepers cimport doze
from mboxio._pump.spinner cimport Spinner
from mboxio._queue.queue cimport Queue

cdef str EVENT, LOOK, UNSEEN
cdef long long FOREVER


cdef class Pump(Spinner):
    cdef public object parked
    cdef public Parker leader

    cpdef bint wait(self, Request waitable, long long until_ns) except -1
    @cython.locals(parker=Parker, sleeps=bint)
    cpdef bint drive(self, Request waitable, long long until_ns, long long now_ns=*) except -1
    @cython.locals(queue=Queue)
    cpdef bint sleeps_at_once(self, Request waitable) except -1
    @cython.locals(due_ns=cython.longlong)
    cpdef bint stand_by(self, Parker parker, Request waitable, long long until_ns) except -1
    cpdef bint interrupts(self, Parker parker, Parker leader) except -1
    cpdef bint take_lead(self, Parker parker) except -1
    cpdef void step_down(self, Parker parker, Request waitable) except *
    cpdef void lead(self, Parker parker, Request waitable, long long until_ns, str why) except *
    @cython.locals(now_ns=cython.longlong, over=bint)
    cpdef bint lead_on(self, Parker parker, Request waitable, long long until_ns, str why) except -1
    cpdef bint kick(self) except -1
    cpdef watch(self, tuple descriptors)
