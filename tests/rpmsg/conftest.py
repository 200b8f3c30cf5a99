"""Sockets in a folder of the test's own."""

import os
import tempfile
from collections.abc import Iterator

import pytest


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The folder of the sockets; its path is short enough for one."""
    with tempfile.TemporaryDirectory(prefix="mboxio-") as parent:
        folder = os.path.join(parent, "sockets")
        monkeypatch.setenv("MBOXIO_RUNTIME_DIR", folder)
        yield folder
