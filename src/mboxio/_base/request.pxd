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
    cdef public Owner _owner
    cdef public list _watchers
    cdef public bytes data
    cdef public object _into, _lent, _value
    cdef public long long _deadline_ns, _timeout_ns, _queue_timeout_ns, handle, tag, _remote_tag, _number
    cdef public unsigned char _state, _handed, _holds, _queued_by
    cdef public bint _tied
    cdef public int _remote_status

    cdef void _set_up(
        self, Owner owner, bytes data, bint tied, long long timeout_ns, long long queue_timeout_ns
    )
    cpdef bint _under_way(self) noexcept
    # Apart from `_apply`: a `cpdef` method looks for an override at each call.
    cpdef bint _step(self, int event) except -1
    @cython.locals(following=int)
    cdef bint _apply(self, int event) except -1
    cpdef result(self)
    cpdef bint _add_watcher(self, Watcher watcher) except -1
    cpdef bint _drop_watcher(self, Watcher watcher) except -1
    @cython.locals(watcher=Watcher, watchers=list)
    cpdef bint _finish(self, core) except -1
