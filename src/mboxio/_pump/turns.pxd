import cython

from mboxio._base.gate cimport Gate
from mboxio._pump.sleepers cimport Sleepers
from mboxio._queue.queue cimport Queue
from mboxio.driver.controller cimport Controller

cdef str EVENT, LOOK
cdef long long FOREVER


cdef class Turns(Sleepers):
    cdef public object life
    cdef public Gate gate
    cdef public Controller controller
    cdef public list queues, loops
    cdef public bint listening, look_first
    cdef public long long reconnect_ns

    cpdef bint kick(self) except -1
    @cython.locals(queue=Queue)
    cpdef bint turn(self, long long now_ns, str why) except -1
    cpdef bint serve(self, Queue queue, long long now_ns, str why) except -1
    @cython.locals(driver=object)
    cpdef bint serve_again(self, Queue queue, str why, error) except -1
    @cython.locals(queue=Queue, ready=bint)
    cpdef bint arm(self) except -1
    cpdef bint check_use(self) except -1
    cpdef bint look(self) except -1
    cpdef long long look_for(self, str why) except -1
    cpdef bint look_now(self, long long now_ns, str why=*) except -1
    cpdef bint rearm(self) except -1
    @cython.locals(queue=Queue, due=cython.longlong, pause_ns=cython.longlong, busy=bint, used=bint)
    cpdef long long due_ns(self, long long now_ns=*) except? -1
