from mboxio._base.request cimport Request

cdef long long FOREVER


cdef class Completion(Request):
    pass


cdef class Flush(Completion):
    cdef public list _waiting_for
