"""A peer that lies, on either side of the stream: nothing hangs, breaks, is held or is mixed up."""

from collections import Counter, deque
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mboxio
from mboxio import RemoteGone
from mboxio.controllers.grpc import attached
from mboxio.controllers.grpc.options import UnixOptions
from mboxio.controllers.grpc.stream import Ending
from mboxio.controllers.grpc.ways import OverUnix
from mboxio.controllers.loopback import Loopback
from mboxio.far import frames as wire
from mboxio.far.engine import ATTACH, EXPORT, SERVICE, engine
from mboxio.far.frames import FOR_EVER, pack
from mboxio.far.hello import Channel, Hello
from tests.far.support import HEAD, House, frames_of
from tests.shm.support import until
from tests.tools import examples

HANDLES = st.sampled_from([0, 1, 2, 3, 5, 7, 9, 1 << 62, (1 << 64) - 1])
TEXTS = st.sampled_from([b"", b"x", b"\x05\x03\x01no", bytes(8), bytes([1, *bytes(7)]), bytes(70)])
SMALL = settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def lies(kinds: st.SearchStrategy[int], durations: st.SearchStrategy[int]) -> Any:
    """Messages of frames of which any may be wrong, and now and then no frames at all."""
    sound = st.builds(
        lambda kind, channel, handle, data: pack(
            *(kind, channel, 0 if kind in wire.NAMELESS else handle),
            *(b"" if kind in wire.EMPTY else data, 0),
        ),
        *(kinds, st.integers(0, 1), HANDLES, TEXTS),
    )
    wrong = st.builds(
        pack,
        *(kinds, st.integers(0, 3), HANDLES, TEXTS, st.integers(-2, 2), durations, durations),
    )
    message = st.lists(st.one_of(sound, sound, wrong), min_size=1, max_size=6).map(b"".join)
    return st.lists(st.one_of(message, message, message, st.binary(max_size=40)), max_size=4)


# -- a user that lies to the gateway

FROM_USER = st.sampled_from([*wire.TO_GATEWAY, wire.REQUEST, wire.REQUEST, wire.HELLO, 0, 255])


@pytest.fixture
def loopback(house: House, each_loop: None) -> House:
    """A gateway with a mailbox that sends everything back."""
    house.serve(Loopback(options=Loopback.Options(message_bytes=64)), in_flight=8)
    return house


def said_to(house: House, messages: list[bytes]) -> list[bytes]:
    """Attach without mboxio, say that, and return what the gateway says until the end."""
    grpc = engine()
    heard: list[bytes] = []
    with grpc.insecure_channel(f"unix:{house.path}") as channel:
        call = channel.stream_stream(f"/{SERVICE}/{ATTACH}")(
            iter(messages), metadata=((EXPORT, "board"),), timeout=20
        )
        try:
            heard.extend(call)
        except grpc.RpcError:
            pass  # how it ended is looked at below
        assert call.code() in (grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT), call
    return heard


@SMALL
@given(lies(FROM_USER, st.sampled_from([0, 1, 1_000_000, FOR_EVER])))
def test_a_gateway_survives_its_users(loopback: House, messages: list[bytes]) -> None:
    gate = loopback.gateway
    assert gate is not None
    heard = said_to(loopback, [pack(wire.OPEN, 0), *messages])
    told = [each for message in heard for each in frames_of(message, wire.TO_USER, 1 << 16)]
    asked: Counter[tuple[int, int, bytes]] = Counter()
    for message in messages:
        try:
            for each in frames_of(message, wire.TO_GATEWAY, 1 << 16):
                asked[each.channel, each.handle, each.data] += each.kind == wire.REQUEST
        except wire.BadFrame:
            break
    done = Counter((each.channel, each.handle, each.data) for each in told if is_reply(each))
    assert done <= asked, "a reply to nothing, or a second one"
    until(lambda: gate.stats()["board"].sessions == 0, "the session ends")
    far = gate.exports["board"]
    for counted in far.connection.stats().values():
        assert (counted.in_flight, counted.queued) == (0, 0)
        assert (counted.held_slots, counted.held_tags) == (0, ())
    assert far.claims == {}
    with mboxio.open(f"{loopback.address}/0", timeout_s=20) as client:
        assert client.request(b"honest") == b"honest"


def is_reply(frame: wire.Frame) -> bool:
    return frame.kind == wire.DONE and bool(frame.data)


def test_a_frame_that_is_too_long_ends_only_its_stream(loopback: House) -> None:
    with mboxio.open(f"{loopback.address}/0", timeout_s=20) as client:
        head = HEAD.pack(wire.REQUEST, 0, 0, 0, 1, 0, 0, wire.FRAME_BYTES_MAX + 1)
        said_to(loopback, [head + bytes(wire.FRAME_BYTES_MAX + 1)])
        said_to(loopback, [HEAD.pack(wire.REQUEST, 0, 0, 0, 1, 0, 0, 1 << 31)])
        assert client.request(b"honest") == b"honest"


# -- a gateway that lies to its user

FROM_GATEWAY = st.sampled_from([*wire.TO_USER, wire.DONE, wire.DONE, wire.REQUEST, 0, 255])
CHANNELS = tuple(
    Channel(name=each, depth=4, in_flight=8, message_bytes=64, rights=("request",)) for each in "ab"
)
HELLO = Hello(
    life=7, user="u", address="x", epoch_source=None, up=True, epoch=1, reason="", channels=CHANNELS
)


class Line:
    """A stream without an engine: tests say what the gateway says."""

    def __init__(self, *_: object) -> None:
        self.sent: list[wire.Frame] = []
        self.news: deque[bytes] = deque()
        self.ending: Ending | None = None

    def start(self) -> None:
        """Answer."""
        self.news.append(pack(wire.HELLO, data=HELLO.pack()))

    def put(self, message: bytes) -> None:
        """Take a frame."""
        for each in frames_of(message, wire.TO_GATEWAY, 2):
            self.sent.append(each)
            if each.kind == wire.OPEN:
                self.news.append(pack(wire.OPENED, each.channel))

    def hang_up(self) -> None:
        """End."""
        self.ending = self.ending or Ending("CANCELLED", "hung up")

    def end(self) -> None:
        """End; no thread is there."""
        self.hang_up()

    def take(self) -> bytes:
        """Return the oldest news."""
        return self.news.popleft()


@SMALL
@given(lies(FROM_GATEWAY, st.integers(0, 1)))
def test_a_user_survives_its_gateway(
    monkeypatch: pytest.MonkeyPatch, messages: list[bytes]
) -> None:
    monkeypatch.setattr(attached, "Stream", Line)
    driver = OverUnix("/nowhere/g.sock/board", UnixOptions())
    with mboxio.Connection(driver, address="grpc+unix:") as connection:
        clients = [connection.client(each, timeout_s=20, queue_timeout_s=20) for each in "ab"]
        requests = [(n, client, client.submit(b"x")) for n, client in enumerate(clients * 2)]
        line: Any = driver.stream
        line.news.extend(messages)
        clients[0]._pump.look()
        replies = {
            (each.channel, each.handle): each.data for each in sound_frames(messages, wire.DONE)
        }
        handles = {number: 1 + 2 * (number // 2) for number in range(4)}
        for number, _, request in requests:
            if request.over and request.exception() is None:
                assert (number % 2, handles[number]) in replies, "it was not answered"
        line.ending = Ending("UNAVAILABLE", "killed")
        clients[0]._pump.look()
        for _, _, request in requests:
            assert request.over
        for each in connection.stats().values():
            assert (each.in_flight, each.queued, each.held_tags) == (0, 0, ())
            assert (each.held_slots, each.held_credits) == (0, 0)
        again = answered(clients[0], driver)
        assert again == b"honest"


class Brief(Line):
    """A stream that a gateway has ended, because it is idle, before its user has read anything."""

    def start(self) -> None:
        """Answer, and end."""
        super().start()
        self.ending = Ending("DEADLINE_EXCEEDED", "idle for 0.01 s")


def test_a_user_who_reads_late_that_he_was_idle_comes_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(attached, "Stream", Brief)
    driver = OverUnix("/nowhere/g.sock/board", UnixOptions())
    with mboxio.Connection(driver, address="grpc+unix:") as connection:
        monkeypatch.setattr(attached, "Stream", Line)
        client = connection.client("a", timeout_s=20, queue_timeout_s=20)
        assert answered(client, driver) == b"honest"


def answered(client: mboxio.Client, driver: Any) -> bytes:
    """Have the next stream answer one request."""
    request: Any = None
    while request is None:
        try:
            request = client.submit(b"honest")
        except RemoteGone:  # which has the next line dialled
            client._pump.look()
    [sent] = [each for each in driver.stream.sent if each.kind == wire.REQUEST]
    driver.stream.news.append(pack(wire.DONE, 0, sent.handle, sent.data))
    client._pump.look()
    reply: bytes = request.result()
    return reply


def sound_frames(messages: list[bytes], kind: int) -> list[wire.Frame]:
    """Return the frames of a kind up to the first lie."""
    found: list[wire.Frame] = []
    for message in messages:
        try:
            found.extend(each for each in frames_of(message, wire.TO_USER, 2) if each.kind == kind)
        except wire.BadFrame:
            break
    return found
