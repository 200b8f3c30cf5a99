import cython

from mboxio._base.clock cimport Watcher

cdef bint COMPILED
cdef int DONE, EVENTS, ILLEGAL, NEW, UNSENT
cdef long long FOREVER
cdef bytes NEXT


cdef class Owner:
    cdef public object _channel, _queue
    cdef public bint _attentive

    cpdef bint _wait_for(self, waitable, long long until_ns) except -1
    cpdef bint _look_at(self, waitable) except -1
    cpdef bint _cancel(self, request) except -1
    cpdef _call_when_over(self, waitable, callback)
    cpdef _future_of(self, waitable, bint bare)
    cpdef _forget_future(self, waitable, future)
    cpdef bint _prepare(self, request) except -1
    cpdef bint _request_over(self, request) except -1
    cpdef bint _slot_freed(self, request) except -1
    cpdef long long _deadline_after(self, timeout_s) except? -1


cdef class Request:
    cdef public bint over
    cdef public Owner owner
    cdef public list watchers
    cdef public bytes data
    cdef public object into, lent, value
    cdef public long long deadline_ns, timeout_ns, queue_timeout_ns, handle, tag, remote_tag
    cdef public unsigned char state, handed, holds, queued_by
    cdef public bint tied
    cdef public int remote_status

    cdef void set_up(
        self, Owner owner, bytes data, bint tied, long long timeout_ns, long long queue_timeout_ns
    )
    cpdef bint under_way(self) noexcept
    cpdef bint step(self, int event) except -1
    @cython.locals(following=int)
    cdef bint apply(self, int event) except -1
    cpdef result(self)
    cpdef bint add_watcher(self, Watcher watcher) except -1
    cpdef bint drop_watcher(self, Watcher watcher) except -1
    @cython.locals(watcher=Watcher, watchers=list)
    cpdef bint finish(self, core) except -1
