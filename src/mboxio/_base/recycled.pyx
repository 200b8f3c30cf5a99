"""The compiled form of recycled.py: a request costs less if it is one that was used before.

Cython's own free list clears the whole object and builds it anew, which takes as long as it takes
to hand a message over. Here an object that nobody refers to any more keeps its type and its fields,
which are emptied one by one, and lies in a stack until it is needed.
"""

from cpython.object cimport PyObject
from mboxio._base.request cimport Request

__all__ = ["fresh"]

cdef extern from *:
    """
    static destructor mboxio_plain_dealloc;
    static void mboxio_replace_dealloc(PyTypeObject *type, destructor with)
    {
        mboxio_plain_dealloc = type->tp_dealloc;
        type->tp_dealloc = with;
    }
    """
    ctypedef void (*destructor)(PyObject *) noexcept
    void mboxio_replace_dealloc(type, destructor)
    void mboxio_plain_dealloc(PyObject *)

cdef extern from "Python.h":
    void PyObject_GC_Track(PyObject *)
    void PyObject_GC_UnTrack(PyObject *)
    void Py_SET_REFCNT(PyObject *, Py_ssize_t)

cdef enum:
    KEPT = 1024  # requests, of the longest bursts that are usual: 160 KiB at most

cdef PyObject *kept[KEPT]
cdef int count = 0


cpdef Request fresh():
    """See recycled.py."""
    cdef Request request = spare()
    return Request.__new__(Request) if request is None else request


cdef Request spare():
    """Return a request as `fresh`, None where that would take memory; runs no Python code."""
    global count
    cdef Request request
    if count == 0:
        return None
    count -= 1
    Py_SET_REFCNT(kept[count], 0)
    request = <Request> kept[count]  # one reference: this one
    PyObject_GC_Track(kept[count])
    renew(request)
    return request


cdef void recycle(PyObject *request) noexcept:
    """Keep a request to which the last reference went. What it refers to goes now."""
    global count
    PyObject_GC_UnTrack(request)
    # Dropping these may run anything, also this function for another request.
    (<Request> request)._owner = None
    (<Request> request).data = None
    (<Request> request)._value = None
    if (<Request> request)._watchers is not None:
        (<Request> request)._watchers = None
    if (<Request> request)._into is not None:
        (<Request> request)._into = None
    if (<Request> request)._lent is not None:
        (<Request> request)._lent = None
    # Asked only now: what was dropped above may have brought others into the stack.
    if type(<Request> request) is not Request or count == KEPT:
        PyObject_GC_Track(request)
        mboxio_plain_dealloc(request)
        return
    kept[count] = request
    count += 1


mboxio_replace_dealloc(Request, recycle)
