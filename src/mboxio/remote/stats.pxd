import cython


@cython.final
cdef class RemoteStats:
    cdef public long long connections, refused, lies, messages, requests, replies, failures
    cdef public long long notifications, notifications_lost, asked, answered, unknown
    cdef public long long late, duplicate, missing, reordered, oversize
    cdef public long long links, announcements, dropped
