"""A folder for sockets and a remote that belong to one test."""

import os
import tempfile
from collections.abc import Iterator

import pytest

from mboxio.remote import Remote

from .support import echo


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The folder of the sockets; its path is short enough for one."""
    with tempfile.TemporaryDirectory(prefix="mboxio-") as parent:
        folder = os.path.join(parent, "sockets")
        monkeypatch.setenv("MBOXIO_RUNTIME_DIR", folder)
        yield folder


@pytest.fixture(params=[0.0, None], ids=["sleeps", "spins"])
def remote(sockets: str, request: pytest.FixtureRequest) -> Iterator[Remote]:
    """A remote that serves, with the channel ``c`` that echoes."""
    assert sockets
    made = echo(spin_s=request.param)
    with made:
        yield made
    assert made.connections == ()
