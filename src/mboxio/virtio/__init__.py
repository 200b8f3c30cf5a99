"""Split virtqueues in shared memory: their layout, both sides of a ring, exact accesses."""
