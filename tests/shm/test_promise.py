"""Remotes that arm seldom spare the host its fences, and say so in the memory."""

import struct

import pytest

import mboxio
from mboxio.remote import Remote
from mboxio.ring import implementations
from mboxio.ring.layout import HOST_ARMED, REMOTE_ARMED

PROMISE = 8
"""Where the promise lies, in bytes from the armed word."""


@pytest.mark.skipif(len(implementations()) == 1, reason="the pure build always rings")
@pytest.mark.parametrize(("spin_s", "promises"), [(50e-6, 1), (0.0, 0)])
def test_a_remote_that_looks_before_it_sleeps_promises(spin_s, promises):
    remote = Remote("promise", spin_s=spin_s)
    remote.handler("echo")(bytes)
    with remote, mboxio.connect("shm:promise") as connection:
        memory = connection._host.controller.memory  # type: ignore[attr-defined]
        assert struct.unpack_from("<I", memory, REMOTE_ARMED + PROMISE) == (promises,)
        assert struct.unpack_from("<I", memory, HOST_ARMED + PROMISE) == (0,)
        client = connection.client("echo")
        assert [client.request(bytes([n])) for n in range(100)] == [bytes([n]) for n in range(100)]
