import cython

from mboxio.driver.base_channel cimport BaseChannel
from mboxio._base.clock cimport Clock
from mboxio._base.gate cimport Gate
from mboxio._base.request cimport Request
from mboxio._queue.backlog cimport Backlog

cdef int BY_HANDLER, BY_SUBMIT, NO_SLOT, NOT_NOW, PLACED
cdef long long FOREVER


cdef class Line:
    cdef public Gate gate
    cdef public Clock clock
    cdef public list line, answers
    cdef public object fault
    cdef public bint dirty
    cdef public long long next_deadline_ns

    cpdef int place(self, Request request, BaseChannel channel, long long now_ns) except -1
    cpdef bint mark_dirty(self) except -1
    @cython.locals(backlog=Backlog)
    cpdef stand_in_line(self, client, Request request, int queued_by)
    @cython.locals(backlog=Backlog)
    cpdef bint leave_line(self, Request request) except -1
    @cython.locals(backlog=Backlog, first=Request, queued_by=int, reason=int, passed=Py_ssize_t)
    cpdef refill(self)
