import cython

from mboxio._base.request cimport Request
from mboxio._base.timeouts cimport nanoseconds
from mboxio._host.endpoint cimport Endpoint
from mboxio._queue.channel cimport Channel
from mboxio.driver.shortcut cimport Shortcut

cdef long long FOREVER
cdef unsigned char HANDED_OVER
cdef object DEFAULT


cdef class Sender(Endpoint):
    @cython.locals(channel=Channel, request=Request, shortly=bint, left=bint, now_ns=cython.longlong)
    cpdef _carry_out(self, data, bint tied, timeout_s, queue_timeout_s, into)
    cdef bint _accept(self, Request request, bint waits) except -1
    @cython.locals(channel=Channel, shortcut=Shortcut)
    cdef Request _shortly(self, data, timeout_s)
    @cython.locals(channel=Channel, shortcut=Shortcut)
    cdef Py_ssize_t _fill(
        self,
        list messages,
        Py_ssize_t at,
        list line,
        Py_ssize_t place,
        Py_ssize_t most,
        long long timeout_ns,
    ) except -1
    @cython.locals(channel=Channel, shortcut=Shortcut)
    cdef bint _announce(self, list line, Py_ssize_t place, Py_ssize_t sent) except -1
    cdef bint _is_ordinary(self, Shortcut shortcut) noexcept
