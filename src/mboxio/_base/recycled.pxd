from cpython.list cimport PyList_GET_ITEM
from cpython.object cimport PyObject

from mboxio._base.request cimport Request

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(PyObject *)

cpdef Request fresh()
cdef Request spare()


cdef inline void renew(Request request) noexcept:
    """Forget how a life ended; what is not forgotten here is empty, or written when it is sent."""
    request.over = False
    request._state = request._handed = request._holds = request._queued_by = 0
    request._remote_status = 0
    request._number = 0


cdef inline Request again(list line, Py_ssize_t place):
    """Return a request as `spare`, in a place of a list: the one that stands there, if it can be."""
    cdef PyObject *there = PyList_GET_ITEM(line, place)
    cdef Request request
    # Nobody else has it, and its reply was the end of it, and runs nothing where it goes.
    if (
        type(<Request> there) is Request and Py_REFCNT(there) == 1
        and type((<Request> there)._value) is bytes
    ):
        request = <Request> there
        request._value = None
        renew(request)
    else:
        request = spare()
        if request is not None:
            line[place] = request
    return request
