"""The compiled form of native.py: a mutex of a few ns, a clock without Python integers, ppoll(2)."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.errno cimport EINTR, errno
from posix.time cimport timespec

import os

from mboxio._base.states import FOREVER as _FOREVER

__all__ = ["COMPILED", "Monotonic", "Mutex", "sleep_on", "with_word", "word_at"]

COMPILED = True

cdef extern from "sched.h":
    int sched_yield() nogil

cdef extern from "poll.h":
    ctypedef unsigned long nfds_t
    struct pollfd:
        int fd
        short events
        short revents
    short POLLIN
    int ppoll(pollfd *, nfds_t, const timespec *, const void *) nogil

cdef extern from "pythread.h":
    ctypedef enum PyLockStatus:
        PY_LOCK_FAILURE
        PY_LOCK_ACQUIRED
        PY_LOCK_INTR
    PyLockStatus PyThread_acquire_lock_timed(PyThread_type_lock, long long, int) nogil
    PyThread_type_lock PyThread_allocate_lock() nogil
    void PyThread_free_lock(PyThread_type_lock) nogil
    int PyThread_acquire_lock(PyThread_type_lock, int) nogil
    void PyThread_release_lock(PyThread_type_lock) nogil


cdef class Monotonic:
    """The system's monotonic clock; see native.py."""

    cpdef long long now_ns(self) except? -1:
        return monotonic_ns()

    cpdef void relax(self) noexcept:
        # Giving the GIL away costs 40 ns; a spinner need not do so at every look.
        self._looks += 1
        if self._looks & 15 == 0:
            with nogil:
                pause()

    cpdef void give_way(self) noexcept:
        with nogil:
            sched_yield()

    cpdef check_signals(self):
        # Compiled code passes no point where the interpreter would look before a sleep.
        PyErr_CheckSignals()


cdef unsigned long RESERVED = 1  # no thread's: free for one that waits, for nobody else


cdef class Mutex:
    """A plain lock that knows which thread holds it; see native.py.

    Nothing can come between two C statements of a thread that holds the GIL, so that a free lock is
    taken by a store; only who finds it taken needs the system. (A free-threaded interpreter switches
    its GIL on for modules that do not say otherwise, and this one must not.)
    """

    def __cinit__(self):
        self._bell = PyThread_allocate_lock()
        if self._bell is NULL:
            raise MemoryError("no memory for a lock")
        PyThread_acquire_lock(self._bell, 0)

    def __dealloc__(self):
        if self._bell is not NULL:
            PyThread_free_lock(self._bell)

    cpdef acquire(self):
        if not self.try_acquire():
            self.wait()

    cdef wait(self):
        # The holder needs the GIL to go on, so nobody waits with it. A signal ends the wait here,
        # before the lock is taken: later it would leave the lock held.
        cdef PyLockStatus status
        self._waiting += 1
        try:
            while not self.try_acquire():
                with nogil:
                    status = PyThread_acquire_lock_timed(self._bell, -1, 1)
                if status == PY_LOCK_ACQUIRED:
                    self._rung = False
                    if self.owner == RESERVED:
                        self.owner = 0
                    elif self.owner:
                        self._starved = True  # taken again meanwhile: the next release waits
                else:
                    PyErr_CheckSignals()
        finally:
            self._waiting -= 1
            self._starved = False
            if self._waiting == 0 and self.owner == RESERVED:
                self.owner = 0

    cpdef bint try_acquire(self) noexcept:
        return self.take()

    cpdef void release(self) noexcept:
        self.give()

    cdef void wake(self) noexcept:
        if self._starved:
            self.owner = RESERVED
        if not self._rung:
            self._rung = True
            PyThread_release_lock(self._bell)

    cpdef bint mine(self) noexcept:
        return self.owner == PyThread_get_thread_ident()


cdef long long FOREVER = _FOREVER


cpdef list sleep_on(poller, tuple watched, long long left_ns):
    """See native.py. The poll object of Python would read the clock before each sleep with an end."""
    if type(poller).__module__ != "select":
        # Not Python's own: that of a library which lets others run meanwhile, such as gevent.
        ready = poller.poll() if left_ns == FOREVER else poller.poll(max(left_ns, 0) / 1e6)
        return [descriptor for descriptor, _ in ready]
    cdef Py_ssize_t count = len(watched)
    cdef Py_ssize_t at
    cdef int found, error
    cdef timespec left
    cdef timespec *until = NULL
    cdef pollfd *polled = <pollfd *> PyMem_Malloc(count * sizeof(pollfd))
    if polled is NULL:
        raise MemoryError("no memory to sleep")
    try:
        for at in range(count):
            polled[at].fd = watched[at]
            polled[at].events = POLLIN
            polled[at].revents = 0
        if left_ns != FOREVER:
            left_ns = max(left_ns, 0)
            left.tv_sec = left_ns // 1000000000
            left.tv_nsec = left_ns % 1000000000
            until = &left
        with nogil:
            found = ppoll(polled, count, until, NULL)
            error = errno
        if found < 0:
            if error == EINTR:
                PyErr_CheckSignals()
                return []
            raise OSError(error, os.strerror(error))
        return [polled[at].fd for at in range(count) if polled[at].revents]
    finally:
        PyMem_Free(polled)


cpdef unsigned int word_at(bytes message, Py_ssize_t at) except? 0:
    """See native.py."""
    if at < 0 or at + 4 > PyBytes_GET_SIZE(message):
        raise IndexError("the message ends before the word does")
    cdef const unsigned char *word = <const unsigned char *> PyBytes_AS_STRING(message) + at
    return word[0] | word[1] << 8 | word[2] << 16 | <unsigned int> word[3] << 24


cpdef bytes with_word(bytes message, Py_ssize_t at, unsigned int value):
    """See native.py."""
    cdef Py_ssize_t size = PyBytes_GET_SIZE(message)
    if at < 0 or at + 4 > size:
        raise IndexError("the message ends before the word does")
    cdef bytes changed = PyBytes_FromStringAndSize(PyBytes_AS_STRING(message), size)
    cdef unsigned char *word = <unsigned char *> PyBytes_AS_STRING(changed) + at
    word[0] = value & 0xFF
    word[1] = value >> 8 & 0xFF
    word[2] = value >> 16 & 0xFF
    word[3] = value >> 24
    return changed
