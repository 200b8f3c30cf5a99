import cython

from mboxio.controllers.grpc.attached cimport Attached
from mboxio.driver.base_channel cimport BaseChannel
from mboxio.far.reader cimport Reader

cdef int DONE
cdef unsigned long long TAG_MAX


cdef class FarMailbox(Attached):
    cpdef void service(self, queue, str why) except *
    cpdef bint arm(self, queue) except -1
    cpdef take_news(self)
    @cython.locals(reader=Reader, kind=int, handle=cython.ulonglong, data=bytes, channel=BaseChannel)
    cpdef take(self, bytes message)
