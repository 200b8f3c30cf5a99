import cython

from libc.stdint cimport uint32_t


cdef class Armed:
    cpdef promise_fences(self)
    cpdef bint arm(self) except -1
    cpdef bint disarm(self) except -1
    cpdef bint peer_armed(self) except -1
    cpdef bint shares_cpu(self) except -1


cdef class Ring:
    cdef public uint32_t slots, message_bytes
    cdef public bint broken

    cpdef bint reset(self) except -1
    cpdef object lied(self, int lie, uint32_t value)


cdef class Producer(Ring):
    cdef public Armed armed

    cpdef bint push(self, uint32_t kind, uint32_t tag, object message) except -1
    cpdef int free(self) except -1
    cpdef int consumed(self) except -1
    cpdef bint news(self) except -1
    cpdef bint doorbell_needed(self) except -1


cdef class Consumer(Ring):
    cdef public uint32_t kind, tag, length

    cpdef bint peek(self) except -1
    cpdef bytes payload(self)
    cpdef uint32_t copy_into(self, object buffer) except? 0xFFFFFFFF
    cpdef bint advance(self) except -1
    cpdef bint release(self) except -1
    cpdef int pending(self) except -1
    cpdef bytes take(self)
    cpdef bint news(self) except -1
    @cython.locals(message=bytes)
    cpdef object pop(self)
    @cython.locals(message=bytes)
    cpdef list pop_batch(self, int limit)
