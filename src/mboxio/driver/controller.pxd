from mboxio.driver.base_channel cimport BaseChannel
from mboxio.driver.services cimport Services


cdef class Outcome:
    cdef public bytes reply
    cdef public str retry
    cdef public long long retry_ns


cdef class Probe:
    cpdef bint news(self, bint only_replies) except -1
    cpdef bint shares_cpu(self) except -1


cdef class Controller(Services):
    cpdef bint check(self, BaseChannel channel, bytes message) except -1
    cpdef Outcome send(self, BaseChannel channel, long long handle, bytes message)
    cpdef Outcome reply(self, BaseChannel channel, long long handle, long long tag, bytes message, int status)
    cpdef void service(self, queue, str why) except *
    cpdef bint arm(self, queue) except -1
    cpdef bint abort(self, BaseChannel channel, long long handle) except -1
