cdef long long NEVER


cdef class Chance:
    cdef public object random
    cdef public double scale
    cdef public long long gap

    cpdef bint happens(self) except -1
    cpdef long long drawn(self) except -1
    cpdef void stop(self) noexcept
