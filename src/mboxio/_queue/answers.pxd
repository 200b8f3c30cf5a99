import cython

from mboxio._base.request cimport Owner, Request

cdef int BY_HANDLER
cdef long long FOREVER


cdef class Answers(Owner):
    cpdef ask(self, long long tag, bytes message)
    cpdef refuse(self, long long tag, int status, str text)
    cpdef take(self, long long tag, bytes message, int status, long long life, long long timeout_ns)
    @cython.locals(request=Request)
    cpdef put(self, long long tag, bytes message, int status, long long timeout_ns, int queued_by)
    cpdef reserve_a_slot(self)
