from mboxio._base.gate cimport Gate
from mboxio._base.request cimport Owner, Request
from mboxio._base.timeouts cimport nanoseconds
from mboxio._pump.pump cimport Pump

cdef int CANCEL
cdef unsigned char CANCELLED
cdef long long FOREVER
cdef object DEFAULT


cdef class Waited(Owner):
    cdef public object _host, _at_home
    cdef public Gate _gate
    cdef public Pump _pump
    cdef public int _attended
    cdef public long long _timeout_ns

    cpdef bint _attend(self, int change) except -1
    cpdef bint _wait_for(self, waitable, long long until_ns) except -1
