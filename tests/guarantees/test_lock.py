"""The rule "under the lock" is kept, and the check of it can fail."""

import pytest

import mboxio
from mboxio import _build
from tests.locks import checked_locks, promises

pytestmark = pytest.mark.skipif(_build.name() != "pure", reason="compiled calls cannot be seen")


def test_many_methods_promise_it() -> None:
    assert {"Queue.place", "Held.release", "Ends.finish", "Life.end", "Turns.serve"} <= set(
        promises()
    )


def test_a_broken_promise_is_found() -> None:
    with checked_locks() as broken, mboxio.connect("loopback:") as connection:
        call = eval("lambda host: host.life.want()")  # a call that is not in a file of tests
        call(connection._host)
    assert [each.split(" at ")[0] for each in broken] == ["Life.want"]
