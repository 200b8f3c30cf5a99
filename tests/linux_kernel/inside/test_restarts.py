"""Firmware that is started again while requests are in flight."""

from pathlib import Path

from mboxio import RemoteGone
from tests.linux_kernel.inside.board import Board
from tests.rpmsg.chardev_cases import ECHO, counts, made, opened

LIVES = 100
IN_FLIGHT = 16


def test_a_hundred_lives_with_requests_in_flight(board: Board) -> None:
    """Each request ends; no reply is another's or of an earlier life, and no endpoint stays."""
    answered = gone = 0
    with opened("rpmsg:virtio0", "lives", dst=ECHO, replies=f"order:{IN_FLIGHT}") as client:
        for life in range(LIVES):
            if life % 2:
                board.hold()
            sent = [b"%d %d" % (life, number) for number in range(IN_FLIGHT)]
            requests = [client.submit(each) for each in sent]
            board.crash()
            for message, request in zip(sent, requests, strict=True):
                error = request.exception()
                if error is None:
                    answered += 1
                    assert request.result() == message
                else:
                    gone += 1
                    assert isinstance(error, RemoteGone), error
            assert client.request(b"alive %d" % life) == b"alive %d" % life
            assert len(made(board, "lives")) == 1
        seen = counts(client)
        assert (seen.unknown, seen.late, seen.unclaimed) == (0, 0, 0)
    assert answered + gone == LIVES * IN_FLIGHT
    assert gone >= LIVES // 2 * IN_FLIGHT, "in every second life nobody answered"
    assert len(list(Path("/dev").glob("rpmsg[0-9]*"))) <= 2
