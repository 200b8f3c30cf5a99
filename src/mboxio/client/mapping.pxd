import cython

from mboxio._base.request cimport Request
from mboxio._host.endpoint cimport Endpoint
from mboxio._pump.pump cimport Pump
from mboxio._queue.queue cimport Queue
from mboxio.client.sending cimport Sender

cdef unsigned char DONE
cdef long long FOREVER
cdef object DEFAULT


cdef class Flow:
    cdef public list _items, _line
    cdef public Py_ssize_t _at, _half, _sent, _window
    cdef public bint _ended, _plain, _return_errors
    cdef public long long _timeout_ns
    cdef public Sender _client
    cdef public Pump _pump
    cdef public Queue _queue
    cdef public object _into, _queue_timeout_s, _source, _timeout_s

    cpdef _oldest(self)
    cdef bint _is_low(self) noexcept
    cdef _next(self)
    @cython.locals(request=Request)
    cpdef bint _is_over(self, entry) except -1
    cdef void _fill(self) except *
    @cython.locals(client=Sender, place=Py_ssize_t, shortly=Request, request=Request)
    cdef void _send(self, message) except *
    @cython.locals(request=Request)
    cpdef _give(self, entry)


cdef class Replies(Flow):
    @cython.locals(line=list, left=Py_ssize_t, request=Request)
    cdef _reply(self)
    cdef _after_all(self)
