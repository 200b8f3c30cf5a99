"""Sockets of the test's own, and programs that end with it."""

from tests.shm.conftest import no_process_left, programs, sockets

__all__ = ["no_process_left", "programs", "sockets"]
