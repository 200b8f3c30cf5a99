import cython

from mboxio._base.native cimport with_word, word_at
from mboxio._base.request cimport Request

cdef int VERDICTS_KEPT
cdef long long FOREVER


cdef class Verdict:
    cdef public int kind
    cdef public long long tag
    cdef public bytes message


cdef Verdict NEXT_REPLY


cdef class Correlator:
    cdef public object free
    cdef public dict busy
    cdef public bint in_order, own_tags, ties
    cdef public long long in_flight, in_flight_max

    cpdef bint check(self, bytes message) except -1
    cpdef bytes stamp(self, bytes message, long long tag)
    cpdef bytes stamp_reply(self, bytes message, long long tag)
    cpdef Verdict classify(self, bytes message)
    cpdef long long tag_of(self, bytes message) except? -1
    @cython.locals(tag=cython.longlong)
    cpdef bint take(self, Request request) except -1
    cpdef find(self, long long tag)
    cpdef bint put_back(self, Request request) except -1
    cpdef bint give_back(self, Request request) except -1


cdef class InOrder(Correlator):
    cdef long long _given


cdef class Tagged(Correlator):
    cdef Py_ssize_t _offset
    cdef int _low_bit
    cdef unsigned int _mask, _first, _request_bit, _high
    cdef list _replies
    @cython.locals(word=cython.uint, tag=cython.uint)
    cpdef Verdict classify(self, bytes message)
    @cython.locals(word=cython.uint)
    cdef bytes _with(self, bytes message, unsigned int field)


cdef class ByAddress(Correlator):
    cdef unsigned int _mask
