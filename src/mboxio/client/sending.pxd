import cython

from mboxio._host.endpoint cimport Endpoint
from mboxio._base.request cimport Request

cdef long long FOREVER


cdef class Sender(Endpoint):
    @cython.locals(request=Request)
    cpdef _carry_out(self, data, bint tied, timeout_s, queue_timeout_s, into)
