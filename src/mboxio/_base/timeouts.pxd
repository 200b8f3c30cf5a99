cdef long long FOREVER

cpdef long long nanoseconds(timeout_s) except? -1
