from mboxio.remote.channel cimport RemoteChannel


cdef class RpmsgService(RemoteChannel):
    cdef public long long address
    cdef public bint announced, first
    cdef public object leave


cdef class Services:
    cdef public int depth, message_bytes
    cdef public object lock, tell, _faults
    cdef public long long version
    cdef public dict _present
    cdef public list _numbered
