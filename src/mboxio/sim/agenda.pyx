"""The compiled form of agenda.py: a heap of numbers, and beside it a list of what they stand for.

Timers are made and called several times for each message. Comparing numbers takes a tenth of what
it takes to compare tuples; the list shows the garbage collector what is kept.
"""

from cpython.mem cimport PyMem_Free, PyMem_Realloc

from mboxio._base import states

__all__ = ["Agenda"]

cdef long long FOREVER = states.FOREVER

cdef enum:
    ROOM = 64  # for so many at first


cdef inline bint before(Entry *one, Entry *other) noexcept:
    if one.when_ns != other.when_ns:
        return one.when_ns < other.when_ns
    return one.number < other.number


cdef class Agenda:
    """See agenda.py."""

    def __cinit__(self):
        self.kept = []
        self.free = []

    def __dealloc__(self):
        PyMem_Free(self.heap)

    cpdef void add(self, long long when_ns, what) except *:
        """See agenda.py."""
        cdef Entry *heap
        cdef Entry entry
        cdef Py_ssize_t at, above
        if self.used == self.room:
            heap = <Entry *> PyMem_Realloc(self.heap, (self.room + ROOM) * 2 * sizeof(Entry))
            if heap is NULL:
                raise MemoryError("no memory for one more timer")
            self.heap = heap
            self.room = (self.room + ROOM) * 2
        if self.free:
            entry.place = self.free.pop()
            self.kept[entry.place] = what
        else:
            entry.place = len(self.kept)
            self.kept.append(what)
        entry.when_ns = when_ns
        entry.number = self.number
        self.number += 1
        heap = self.heap
        at = self.used
        self.used += 1
        while at:
            above = (at - 1) >> 1
            if not before(&entry, &heap[above]):
                break
            heap[at] = heap[above]
            at = above
        heap[at] = entry

    cpdef long long first_ns(self) noexcept:
        """See agenda.py."""
        return self.heap[0].when_ns if self.used else FOREVER

    cpdef pop(self):
        """See agenda.py."""
        cdef Entry *heap = self.heap
        cdef Entry last
        cdef Py_ssize_t at = 0, below, used, place
        if not self.used:
            raise IndexError("nothing is due")
        place = heap[0].place
        self.used -= 1
        used = self.used
        last = heap[used]
        while True:
            below = 2 * at + 1
            if below >= used:
                break
            if below + 1 < used and before(&heap[below + 1], &heap[below]):
                below += 1
            if not before(&heap[below], &last):
                break
            heap[at] = heap[below]
            at = below
        heap[at] = last
        what = self.kept[place]
        self.kept[place] = None
        self.free.append(place)
        return what
