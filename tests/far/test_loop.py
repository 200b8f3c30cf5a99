"""The loop of a gateway."""

import asyncio
import importlib
import sys
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from mboxio.gateway import loop
from tests.tools import lacks

pytestmark = pytest.mark.once


@pytest.fixture
def without_uvloop(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing of the kind is installed."""
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "uvloop", None)
        importlib.reload(loop)
        yield
    importlib.reload(loop)


def kind_of(made: asyncio.AbstractEventLoop) -> type[asyncio.AbstractEventLoop]:
    made.close()
    return type(made)


def test_it_is_uvloops() -> None:
    if find_spec("uvloop") is None:
        lacks("uvloop")
    assert kind_of(loop.new_loop()).__module__ == "uvloop"


@pytest.mark.usefixtures("without_uvloop")
def test_it_is_asyncios_where_there_is_no_other() -> None:
    assert kind_of(loop.new_loop()) is kind_of(asyncio.new_event_loop())
