"""The conformance suite on RTT: each framing that ties replies, and both kinds of memory."""

from collections.abc import Callable
from functools import partial

import pytest

from mboxio.controllers.framing import framing_of
from mboxio.controllers.rtt.driver import Rtt
from mboxio.controllers.rtt.options import RttOptions
from mboxio.testing import Bench, check_controller, checks
from tests.rtt.target import ADDRESS, Echo, Target, region_of

MESSAGE_BYTES = 40


def bench(kind: str, framing: str, replies: str, sizes: tuple[int, int] = (256, 256)) -> Bench:
    target = Target((sizes[0],), (sizes[1],))
    region = region_of(target, kind)
    echo = Echo(target, region)
    options = RttOptions(
        address=ADDRESS,
        base=target.base,
        framing=framing,
        replies=replies,
        message_bytes=MESSAGE_BYTES,
        depth=4,
    )

    def taken() -> list[bytes]:
        return framing_of(framing, MESSAGE_BYTES).feed(bytes(echo.heard))

    def notify(channel: int, message: bytes) -> None:
        echo.kept += framing_of(framing, MESSAGE_BYTES).encode(message)
        echo.flush()

    tied = replies != "none"
    binary = not framing.startswith(("line", "end"))
    return Bench(
        controller=Rtt(options=options, region=region),
        reply=(lambda message: message) if tied else None,
        message=None if binary else (lambda number: b"line %d" % number),
        taken=None if framing == "raw" else taken,  # it knows no messages
        notify=notify if tied else None,
        stall=echo.stall,
        resume=echo.resume,
        restart=echo.restart,
        kill=echo.kill,
        patience_s=20.0,
    )


FACTORIES: dict[str, Callable[[], Bench]] = {
    f"{kind}, {framing}, {replies}": partial(bench, kind, framing, replies)
    for kind, framing, replies in (
        ("normal", "raw", "none"),
        ("normal", "cobs", "tag:0:2"),
        ("words", "cobs", "tag:0:2"),
        ("words", "length", "order:4"),
        ("normal", "line", "order:4"),
        ("bytes", "end:0d0a", "order:4"),
        ("normal", "length:1", "tag:0:1"),
    )
}


@pytest.mark.parametrize("name", checks())
@pytest.mark.parametrize("factory", FACTORIES.values(), ids=FACTORIES.keys())
def test_conforms(factory: Callable[[], Bench], name: str) -> None:
    report = check_controller(factory, only=[name])
    assert [*report.passed, *report.skipped] == [name]
