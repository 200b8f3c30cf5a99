from mboxio._base.request cimport Request

cdef long long FOREVER


cdef class Bell(Request):
    pass


cdef class Flush(Bell):
    cdef public list _waiting_for
