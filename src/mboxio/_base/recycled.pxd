from mboxio._base.request cimport Request

cpdef Request fresh()
cdef Request spare()
