cdef class Head:
    cdef public unsigned char kind, zero
    cdef public unsigned short channel
    cdef public int status
    cdef public unsigned long long handle
    cdef public unsigned int queue_us, reply_us, length

    cpdef bint read(self, bytes message, Py_ssize_t at) except -1


cpdef bytes framed(
    unsigned char kind, unsigned short channel, int status, unsigned long long handle,
    unsigned int queue_us, unsigned int reply_us, bytes data,
)
