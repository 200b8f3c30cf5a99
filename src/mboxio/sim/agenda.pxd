cdef struct Entry:
    long long when_ns
    long long number
    Py_ssize_t place


cdef class Agenda:
    cdef Entry *heap
    cdef Py_ssize_t used, room
    cdef long long number
    cdef list kept, free

    cpdef void add(self, long long when_ns, what) except *
    cpdef long long first_ns(self) noexcept
    cpdef pop(self)
