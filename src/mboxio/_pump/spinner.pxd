import cython

from mboxio._base.request cimport Request
from mboxio._pump.turns cimport Turns
from mboxio._queue.queue cimport Queue
from mboxio.driver.controller cimport Probe
from mboxio.driver.shortcut cimport Shortcut

cdef int LOOKS_PER_TURN
cdef str LOOK
cdef int DONE
cdef long long FOREVER


cdef class Spinner(Turns):
    cdef public bint distant
    cdef public long long spin_ns, spin_now_ns

    cpdef bint spin_for(self, double spin_s) except -1
    @cython.locals(queue=Queue, probe=Probe, now_ns=cython.longlong, end_ns=cython.longlong, looks="unsigned int", only_replies=bint, near=bint, spins=bint, full=bint, looked=bint)
    cpdef bint spin(self, Request waitable, long long until_ns) except -1
    @cython.locals(looks=int)
    cdef bint catch(self, Request waitable, Shortcut shortcut) except -1
    cdef bint look_longer(self) except -1
    @cython.locals(other=Queue)
    cdef bint serve_others(self) except -1
    cdef bint glance(self, Request waitable, Queue queue, bint first) except -1
    cdef bint serve_spinner(self, Queue queue, bint only_replies) except -1
