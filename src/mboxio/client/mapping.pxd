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
    cdef public Py_ssize_t _given, _half, _sent, _taken, _window
    cdef public bint _ended, _plain, _return_errors
    cdef public long long _timeout_ns
    cdef public Sender _client
    cdef public Pump _pump
    cdef public Queue _queue
    cdef public object _into, _queue_timeout_s, _source, _timeout_s

    @cython.locals(line=list, mask=Py_ssize_t, number=Py_ssize_t)
    cpdef list _in_line(self)
    cpdef _oldest(self)
    @cython.locals(line=list, mask=Py_ssize_t)
    cdef _first(self)
    cdef bint _is_low(self) noexcept
    cdef _next(self)
    @cython.locals(request=Request)
    cpdef bint _is_over(self, entry) except -1
    @cython.locals(sent=Py_ssize_t)
    cdef void _fill(self) except *
    @cython.locals(entries=list, line=list, number=Py_ssize_t)
    cdef bint _widen(self, Py_ssize_t number) except -1
    @cython.locals(line=list, mask=Py_ssize_t)
    cdef bint _put(self, Py_ssize_t number, entry) except -1
    @cython.locals(client=Sender, number=Py_ssize_t, shortly=Request, request=Request)
    cdef void _send(self, message) except *
    @cython.locals(line=list, place=Py_ssize_t, request=Request)
    cpdef _give(self, entry)


cdef class Replies(Flow):
    @cython.locals(line=list, request=Request)
    cdef _reply(self)
    cdef _after_all(self)
