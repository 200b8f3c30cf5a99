"""The cases over a kernel in this process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rpmsg.chardev_cases import CASES, Case
from tests.rpmsg.fake_kernel import FakeSystem


@pytest.fixture(params=[True, False], ids=["uevents", "no uevents"])
def kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[FakeSystem]:
    made = FakeSystem(tmp_path, uevents=request.param)
    made.start()
    monkeypatch.setattr("mboxio.controllers.rpmsg.driver.System", lambda: made)
    yield made
    assert not made.panicked, "an endpoint was destroyed that Linux 6.1 does not survive"
    made.shut_down()


@pytest.mark.parametrize("each", CASES.values(), ids=CASES.keys())
def test_chardev(kernel: FakeSystem, each: Case) -> None:
    each("rpmsg:virtio0", kernel)
