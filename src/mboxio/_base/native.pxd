import cython
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

cdef extern from *:
    """
    #if defined(__x86_64__) || defined(__i386__)
    #define mboxio_pause() __builtin_ia32_pause()
    #elif defined(__aarch64__)
    #define mboxio_pause() __asm__ volatile("yield")
    #else
    #define mboxio_pause() ((void)0)
    #endif
    """
    void pause "mboxio_pause"() nogil

cdef extern from "pythread.h":
    ctypedef void* PyThread_type_lock
    unsigned long PyThread_get_thread_ident() nogil


cdef inline long long monotonic_ns() noexcept nogil:
    """Return what `Monotonic.now_ns` does."""
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <long long> now.tv_sec * 1000000000 + now.tv_nsec


cdef class Monotonic:
    cdef unsigned int _looks
    cpdef long long now_ns(self) except? -1
    cpdef void relax(self) noexcept
    cpdef void give_way(self) noexcept
    cpdef check_signals(self)


@cython.final
cdef class Mutex:
    cdef PyThread_type_lock _bell
    cdef int _waiting
    cdef bint _rung, _starved
    cdef readonly unsigned long owner
    cpdef acquire(self)
    cdef wait(self)
    cdef void wake(self) noexcept

    cdef inline bint take(self) noexcept:
        """As `try_acquire`, without a call: that costs more than what it does."""
        if self.owner:
            return False
        self.owner = PyThread_get_thread_ident()
        return True

    cdef inline void give(self) noexcept:
        """As `release`, without a call where nobody waits."""
        self.owner = 0
        if self._waiting:
            self.wake()

    cpdef bint try_acquire(self) noexcept
    cpdef void release(self) noexcept
    cpdef bint mine(self) noexcept


cpdef list sleep_on(poller, tuple watched, long long left_ns)
cpdef unsigned int word_at(bytes message, Py_ssize_t at) except? 0
cpdef bytes with_word(bytes message, Py_ssize_t at, unsigned int value)
