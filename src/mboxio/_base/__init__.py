"""The foundation of the package: time, the lock, a request and its states."""
