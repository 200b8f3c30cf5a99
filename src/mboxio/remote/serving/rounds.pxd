import cython

from mboxio._base.native cimport Monotonic

cdef int ROUNDS_PER_TIME


cdef class RemoteEnd:
    cdef public bint closed, asked
    cdef public int bells

    cpdef bint stirs(self) except -1
    cpdef bint serve(self, long long now_ns) except -1
    cpdef bint arm(self) except -1
    cpdef bint shares_cpu(self) except -1
    cpdef disarm(self)
    cpdef next_ns(self)


cdef class RegionEnd(RemoteEnd):
    pass


cdef class Rounds:
    cdef public Monotonic clock
    cdef public list ends
    cdef public RemoteEnd current
    cdef public bint silent, stopping, near
    cdef public long long now_ns, worked_ns, idle_ns, waited_ns

    @cython.locals(
        end=RemoteEnd, latest=RemoteEnd, now_ns=cython.longlong, began_ns=cython.longlong, worked=bint, busy=bint, gave_way=bint,
        rounds="unsigned int",
    )
    cpdef bint look(self, long long idle_ns, long long chunk_ns) except -1
