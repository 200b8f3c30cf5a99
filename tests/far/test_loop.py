"""The loop of a gateway."""

import sys

import pytest
import uvloop

from mboxio.gateway.loop import new_loop

pytestmark = pytest.mark.once


def test_it_is_asyncios_where_there_is_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds: list[type] = []
    for missing in (False, True):
        if missing:
            monkeypatch.setitem(sys.modules, "uvloop", None)
        loop = new_loop()
        kinds.append(type(loop))
        loop.close()
    assert kinds[0] is uvloop.Loop
    assert not issubclass(kinds[1], uvloop.Loop)
