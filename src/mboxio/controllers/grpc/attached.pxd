import cython

from mboxio._base.request cimport Request
from mboxio._queue.channel cimport Channel
from mboxio.driver.base_channel cimport BaseChannel
from mboxio.driver.controller cimport Controller, Outcome
from mboxio.far.head cimport framed
from mboxio.far.reader cimport Reader

cdef long long FOREVER
cdef int POST, REQUEST
cdef Outcome ACCEPTED, SENT


cdef class Attached(Controller):
    cdef public object name, options, export, dialling, bell, stream, dialled_s, parked, epoch
    cdef public list numbered
    cdef public dict numbers, opened, claimed
    cdef public set started, claims
    cdef public bint greeted, rests
    cdef public Reader reader

    @cython.locals(known=Channel, request=Request, queue_ns=cython.longlong, reply_ns=cython.longlong, kind=int)
    cpdef Outcome send(self, BaseChannel channel, long long handle, bytes message)
    cpdef take_news(self)
