cdef class Services:
    cdef public object host
