import cython

from mboxio._base.request cimport Request
from mboxio._queue.channel cimport Channel
from mboxio.driver.base_channel cimport BaseChannel
from mboxio.driver.controller cimport Controller, Outcome
from mboxio.far.head cimport framed
from mboxio.far.reader cimport Reader

cdef long long FOREVER
cdef int DONE, POST, REQUEST
cdef Outcome ACCEPTED


cdef class Traffic(Controller):
    cdef public object stream
    cdef public bint greeted
    cdef public list numbered
    cdef public dict numbers
    cdef public Reader reader

    @cython.locals(known=Channel, request=Request, queue_ns=cython.longlong, reply_ns=cython.longlong, kind=int)
    cpdef Outcome send(self, BaseChannel channel, long long handle, bytes message)
    @cython.locals(reader=Reader, handle=cython.ulonglong, data=bytes, channel=BaseChannel)
    cpdef take(self, bytes message)
