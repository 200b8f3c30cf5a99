import cython

from mboxio.clock cimport Watcher

cdef int DONE, EVENTS, ILLEGAL, NEW, UNSENT
cdef long long FOREVER
cdef bytes NEXT


cdef class Owner:
    cdef public object channel, queue
    cdef public bint attentive

    cpdef bint wait_for(self, waitable, long long until_ns) except -1
    cpdef look_at(self, waitable)
    cpdef bint cancel(self, request) except -1
    cpdef call_when_over(self, waitable, callback)
    cpdef future_of(self, waitable, bint bare)
    cpdef forget_future(self, waitable, future)
    cpdef prepare(self, request)
    cpdef request_over(self, request)
    cpdef slot_freed(self, request)
    cpdef long long deadline_after(self, timeout_s) except? -1


cdef class Waitable:
    cdef public bint over
    cdef public Owner owner
    cdef public list watchers

    cpdef add_watcher(self, Watcher watcher)
    cpdef drop_watcher(self, Watcher watcher)
    @cython.locals(watcher=Watcher, watchers=list)
    cpdef finish(self, core)


cdef class Request(Waitable):
    cdef public bytes data
    cdef public object into, lent, value
    cdef public long long deadline_ns, timeout_ns, handle, tag, remote_tag
    cdef public unsigned char state, handed, holds, queued_by
    cdef public bint tied
    cdef public int remote_status

    cpdef void set_up(self, Owner owner, bytes data, bint tied, long long timeout_ns)
    @cython.locals(following=int)
    cpdef bint step(self, int event) except -1
    cpdef result(self)
