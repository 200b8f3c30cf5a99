"""gRPC keeps threads and descriptors of its own as long as anything of it lives: here, always."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from tests.far.support import House, keep_engine
from tests.tools import lacks


@pytest.fixture(scope="package", autouse=True)
def engine_kept() -> Iterator[None]:
    """What gRPC itself opens is there before the first test, and stays."""
    if find_spec("grpc") is None:
        lacks("grpcio")
    with keep_engine():
        yield


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A private folder for sockets, short enough for one; remotes listen there as well."""
    with tempfile.TemporaryDirectory(prefix="mboxio-") as path:
        monkeypatch.setenv("MBOXIO_RUNTIME_DIR", path)
        yield path


@pytest.fixture(params=["asyncio", "uvloop"])
def each_loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gateways of this process run on asyncio's own loop, and on the other one."""
    if find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    if request.param == "asyncio":
        monkeypatch.setattr("mboxio.gateway.server.new_loop", asyncio.new_event_loop)


@pytest.fixture
def house(folder: str) -> Iterator[House]:
    """Gateways of this process, which end with the test."""
    built = House(os.path.join(folder, "g.sock"))
    yield built
    built.close()
