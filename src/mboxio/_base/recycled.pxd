from mboxio._base.request cimport Request

cpdef Request fresh()
cdef Request spare()
cdef Request again(list line, Py_ssize_t place)
