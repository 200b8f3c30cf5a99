import cython

from mboxio.virtio.ring cimport HostRing, RemoteRing, SplitRing
from mboxio.virtio.words cimport Header, Window, Windows, Words

cdef int HEADER_BYTES, WRITABLE
cdef unsigned int WORD


cdef class RpmsgLink:
    cdef public int message_bytes, slots
    cdef public unsigned int source, destination
    cdef public Header header

    cpdef int send(self, long long source, long long destination, bytes message) except -2
    cpdef int sent(self) except -2
    cpdef int free(self) except -1
    cpdef int pending(self) except -1
    cpdef bytes receive(self)
    cpdef int release(self) except -1
    cpdef bint news(self) except -1
    cpdef bint room(self) except -1
    cpdef bint silenced(self, int queue) except -1
    cpdef bint was_reset(self) except -1


@cython.locals(message=bytes, length=int)
cdef bytes take(SplitRing ring, Words words, Py_ssize_t offset, unsigned int filled, Header header)


cdef class HostLink(RpmsgLink):
    cdef public HostRing incoming, outgoing
    cdef public Words words
    cdef public object pool
    cdef public int buffer_bytes
    cdef public Py_ssize_t receiving, sending
    cdef public list free_heads, held

    @cython.locals(ring=HostRing, head=int, offset=Py_ssize_t)
    cpdef int send(self, long long source, long long destination, bytes message) except -2
    @cython.locals(head=int)
    cpdef int sent(self) except -2
    cpdef int free(self) except -1
    cpdef int pending(self) except -1
    @cython.locals(ring=HostRing, head=int, filled=cython.uint, header=Header, message=bytes)
    cpdef bytes receive(self)
    @cython.locals(count=int, head=int)
    cpdef int release(self) except -1
    cpdef bint news(self) except -1
    cpdef bint room(self) except -1
    cpdef bint silenced(self, int queue) except -1


cdef class RemoteLink(RpmsgLink):
    cdef public RemoteRing incoming, outgoing
    cdef public Windows windows
    cdef public int next_head, head
    cdef public unsigned int length
    cdef public list older

    @cython.locals(ring=RemoteRing, head=int, window=Window, offset=Py_ssize_t)
    cpdef int send(self, long long source, long long destination, bytes message) except -2
    @cython.locals(window=Window)
    cpdef Window require(self, RemoteRing ring, unsigned int writable)
    cpdef Window reach(self, RemoteRing ring)
    cpdef int free(self) except -1
    cpdef int pending(self) except -1
    @cython.locals(ring=RemoteRing, head=int, window=Window, header=Header, message=bytes)
    cpdef bytes receive(self)
    @cython.locals(count=int, head=int, length=cython.uint)
    cpdef int release(self) except -1
    cpdef bint news(self) except -1
    cpdef bint room(self) except -1
    cpdef bint silenced(self, int queue) except -1
    cpdef bint was_reset(self) except -1
