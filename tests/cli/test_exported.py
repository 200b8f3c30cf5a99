"""What a gateway exports: in ``list``, at the Tab key, and when what answers is none."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mboxio.cli.machine.gateways import gateways
from mboxio.cli.machine.machine import Machine
from mboxio.controllers.loopback import Loopback
from mboxio.far.frames import BadFrame
from mboxio.far.hosts import SOCKET
from mboxio.far.listing import Listing
from tests.cli.conftest import Invoke, one_line
from tests.cli.test_completion import offered
from tests.far.support import House

pytest.importorskip("grpc")
pytestmark = [pytest.mark.once, pytest.mark.usefixtures("engine_kept")]

ALLOW = '[alice]\n"board/0" = ["request"]\n"board/1" = ["notifications"]\n'
NOTHING = '[alice]\n"other/*" = ["request"]\n'


@pytest.fixture
def house(sockets: str) -> Iterator[House]:
    """A gateway at the usual place."""
    os.mkdir(sockets, mode=0o700)
    made = House(os.path.join(sockets, SOCKET))
    yield made
    made.close()


def test_what_is_exported_and_what_one_may_do(house: House, invoke: Invoke) -> None:
    house.serve(Loopback(), ALLOW)
    place = f"grpc+unix:{house.path}"
    result = invoke("list", place)
    head, first, second, last = result.stdout.splitlines()
    assert head.split("  ")[0] == "mailbox"
    assert first.split() == ["board", "up", "0", "0", "32", "4096", "observe,", "request"]
    assert second.split() == ["board", "up", "0", "1", "32", "4096", "observe,", "notifications"]
    assert last == "you are alice"
    for each in (f"{place}/board", f"{place}/board/1"):
        assert invoke("list", each).stdout == result.stdout
    found = json.loads(invoke("list", place, "--json").stdout)
    assert found["user"] == "alice"
    assert [each["rights"] for each in found["exports"][0]["channels"]] == [
        ["observe", "request"],
        ["observe", "notifications"],
    ]
    assert house.lines == [], "nobody has attached"


@pytest.mark.parametrize(
    ("allow", "more", "code", "told"),
    [
        (ALLOW, "/other", 1, "'other' is not exported to alice; there is: board"),
        (ALLOW, "?connect_timeout_s=x", 2, "option connect_timeout_s='x' is not of type float"),
        ("", "", 1, "nothing is exported here to alice"),
    ],
)
def test_what_is_refused(house: House, invoke: Invoke, allow, more, code, told) -> None:
    house.serve(Loopback(), allow)
    result = invoke("list", f"grpc+unix:{house.path}{more}")
    assert told in one_line(result.stderr_bytes)
    assert (result.exit_code, result.stdout) == (code, "")


def test_who_may_use_nothing_is_told_who_he_is(house: House, invoke: Invoke) -> None:
    house.serve(Loopback(), NOTHING)
    assert invoke("list", f"grpc+unix:{house.path}").stdout == "nothing is exported to alice\n"


def test_nobody_there(house: House, invoke: Invoke) -> None:
    result = invoke("list", f"grpc+unix:{house.path}")
    assert one_line(result.stderr_bytes).endswith("no gateway answers (No such file or directory)")


def test_it_is_found_on_this_machine_and_completed(house: House, sockets: str) -> None:
    assert list(gateways(Machine(), sockets)) == []
    house.serve(Loopback(), ALLOW)
    place = f"grpc+unix:{house.path}"
    (found,) = gateways(Machine(), sockets)
    assert (found.kind, found.address) == ("gateway", place)
    assert place in offered("list", "grpc+unix:")
    assert offered("request", f"{place}/") == [f"{place}/board"]
    assert offered("request", f"{place}/board/") == [f"{place}/board/0", f"{place}/board/1"]
    assert offered("request", f"{place}/none/") == []
    house.close()
    assert offered("request", f"{place}/") == []


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=3)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
)
FIELDS = ("user", "exports", "name", "up", "reason", "sessions", "channels")


def listing() -> Any:
    """Return the listing of one channel, as JSON has it."""
    channel = {"name": "0", "depth": 4, "in_flight": 8, "message_bytes": 64, "rights": ["request"]}
    channel |= {"ties": True, "rings": False, "timeout_s": 1.0}
    export = {"name": "board", "up": True, "reason": "", "sessions": 2, "channels": [channel]}
    return {"user": "alice", "exports": [export]}


def test_a_listing_is_what_it_says() -> None:
    assert asdict(Listing.of(listing()))["exports"][0]["sessions"] == 2


@given(st.sampled_from(FIELDS), VALUES)
def test_any_listing_is_one_or_refused(field: str, value: object) -> None:
    """The gateway is not trusted: what comes is of the types that are declared."""
    found = listing()
    (found if field in found else found["exports"][0])[field] = value
    try:
        made = Listing.of(found)
    except BadFrame:
        return
    assert isinstance(made.user, str)
    assert all(each.sessions >= 0 and isinstance(each.up, bool) for each in made.exports)
    assert json.loads(json.dumps(asdict(made)))["user"] == made.user
