import cython

from mboxio._base.clock cimport Watcher
from mboxio._base.request cimport Request
from mboxio.far.head cimport framed
from mboxio.far.reader cimport Reader

cdef int DONE, POST, REQUEST


cdef class Flights(Watcher):
    cdef public object outlet, counts, home, tell_lives, loop, over, handed
    cdef public dict desks, requests, keys
    cdef public list used, unwatched
    cdef public Py_ssize_t in_flight_max
    cdef public bint called, closed

    cpdef bint take(self, Reader reader) except -1
    @cython.locals(number=int, requests=dict, key=tuple, request=Request)
    cdef bint take_message(self, Reader reader) except -1
    @cython.locals(each=Request)
    cpdef watch_each(self, list requests)
    cpdef bint fire(self, core, waitable) except -1
    @cython.locals(request=Request, requests=dict, keys=dict, key=tuple, frames=list, reply=bytes, done=int)
    cpdef tell(self)
