"""Whatever a stub or a QEMU sends: a value, an error of ours, and little work.

``make fuzz`` gives it many more examples.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mboxio.errors import MailboxError, RemoteError, RemoteGone
from mboxio.regions.probes import gdb_step, link, packets, qtest
from mboxio.regions.probes.gdb import Gdb, GdbRegion
from mboxio.regions.probes.link import PIECE_BYTES, RECEIVED_MAX, WORD_RECEIVED_MAX
from mboxio.regions.probes.openocd import OpenOcd, OpenOcdRegion, open_openocd
from mboxio.regions.probes.packets import (
    FRAME_BYTES_MAX,
    LINE_BYTES_MAX,
    Endless,
    Lines,
    Packets,
)
from mboxio.regions.probes.qtest import IRQS_MAX, Qtest
from tests.io.running import FakeOpenOcd, RunningGdb
from tests.io.stubs import FakeGdb, FakeQtest, framed

pytestmark = pytest.mark.once  # what reads them is never compiled

FAKES: "dict[Any, type[FakeGdb | FakeQtest | FakeOpenOcd]]"
FAKES = {Gdb: FakeGdb, Qtest: FakeQtest, OpenOcd: FakeOpenOcd}
EXAMPLES = int(os.environ.get("MBOXIO_TEXTS", "300"))
ERROR_MAX = 1000
SCRATCH = 0x9000_0000


class Honest:
    """What a stub would answer, without its thread."""

    def __init__(self, kind: "type[FakeGdb | FakeQtest | FakeOpenOcd]") -> None:
        self.stub = kind.__new__(kind)
        self.stub.words, self.stub.fifo, self.stub.asked = {}, deque(), []
        self.stub.fifo_at = -1
        if isinstance(self.stub, FakeGdb):
            self.stub.registers = {0: 0x111, 1: 0x222, 15: 0x333, 25: 0x1000000}
        if isinstance(self.stub, RunningGdb):
            self.stub.acks, self.stub.rest = True, b""

    def answers(self, said: bytes) -> Iterator[bytes]:
        """Yield the answer of each question in what was said."""
        if isinstance(self.stub, FakeQtest):
            for line in said.decode().splitlines():
                yield self.stub.answer(line.split()).encode() + b"\n"
        elif isinstance(self.stub, FakeOpenOcd):
            for line in said.decode().split("\x1a")[:-1]:
                yield self.stub.verdict(line)
        elif isinstance(self.stub, RunningGdb):
            answers = [each for each in self.stub.answers(said) if each]
            yield from [b"".join(answers)] if answers else []
        elif said.startswith(b"$"):
            yield b"+" + framed(self.stub.answer(said[1:-3].decode()))


class Peer:
    """In place of a socket: each question brings forth the next of some answers, in pieces.

    Args:
        honest: answers where the script says None.
        script: what is sent after each question, in pieces; after that there is silence.
        slow_s: what each piece takes.
    """

    def __init__(self, honest: Honest, script: list[list[bytes] | None], slow_s: float = 0) -> None:
        self.honest = honest
        self.script = deque(script)
        self.slow_s = slow_s
        self.pieces: deque[bytes] = deque()
        self.now_s = self.waited_s = 0.0
        self.timeout_s = 0.0
        self.heard_bytes = 0

    def send(self, data: memoryview) -> int:
        for honest in self.honest.answers(bytes(data)):
            script = self.script.popleft() if self.script else None
            self.pieces.extend([honest] if script is None else script)
        return len(data)

    def recv(self, size_bytes: int) -> bytes:
        missing_s = self.slow_s - self.waited_s
        if not self.pieces or missing_s > self.timeout_s:
            self.now_s += self.timeout_s
            self.waited_s += self.timeout_s
            raise TimeoutError
        self.now_s += max(0.0, missing_s)
        self.waited_s = 0.0
        piece = self.pieces.popleft()
        if len(piece) > size_bytes:
            self.pieces.appendleft(piece[size_bytes:])
        self.heard_bytes += len(piece[:size_bytes])
        return piece[:size_bytes]

    def settimeout(self, timeout_s: float) -> None:
        assert timeout_s > 0
        self.timeout_s = timeout_s

    def fileno(self) -> int:
        return 0

    def shutdown(self, how: int) -> None:
        self.pieces.clear()

    def close(self) -> None:
        self.pieces.clear()

    def readable(self, descriptor: int, timeout_s: float) -> bool:
        return bool(self.pieces)

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@contextmanager
def reached(peer: Peer) -> Iterator[None]:
    """Have every link of now reach this peer, at its time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mboxio.regions.probes.link.connected", lambda *where: peer)
        clock = SimpleNamespace(
            monotonic=peer.monotonic, perf_counter=peer.monotonic, sleep=peer.sleep
        )
        patch.setattr(link, "time", clock)
        patch.setattr("mboxio.regions.probes.gdb_talk.time", clock)
        patch.setattr(link, "readable", peer.readable)
        patch.setattr(qtest, "readable", peer.readable)
        yield


def attempt(peer: Peer, what: Callable[[], Any]) -> Any:
    """Return what comes of an access, None for an error of ours."""
    began_s, before, told = peer.now_s, peer.heard_bytes, ""
    try:
        return what()
    except MailboxError as error:
        told = str(error)
        return None
    finally:
        assert len(told) <= ERROR_MAX
        assert told.isprintable()
        assert peer.now_s - began_s <= link.ANSWER_S + 1e-6
        assert peer.heard_bytes - before <= RECEIVED_MAX + 3 * WORD_RECEIVED_MAX + PIECE_BYTES


def is_word(found: Any) -> bool:
    return found is None or 0 <= found < 1 << 32


def use_gdb(peer: Peer, step: int | None, more: str = "") -> None:
    with reached(peer):
        stub: Gdb | None = attempt(peer, lambda: Gdb.share(f"x:1{more}"))
        if stub is None:
            return
        region: GdbRegion | None = attempt(
            peer, lambda: stub.region(0x1000, 0x40, verify=True, step=step)
        )
        stub.release()
        if region is None:
            return
        for _ in range(3):
            assert is_word(attempt(peer, lambda: region.read(4, 4)))
            attempt(peer, lambda: region.write(0, 5, 4))
            assert all(map(is_word, attempt(peer, lambda: region.read_words(0, 3)) or ()))
        assert len(stub.received) <= FRAME_BYTES_MAX + PIECE_BYTES
        attempt(peer, region.close)


def use_qtest(peer: Peer) -> None:
    with reached(peer):
        machine: Qtest | None = attempt(peer, lambda: Qtest.share("/x"))
        if machine is None:
            return
        region = machine.region(0x1000, 0x40)
        machine.release()
        for _ in range(3):
            assert is_word(attempt(peer, lambda: region.read(4, 4)))
            attempt(peer, lambda: region.write(0, 5, 2))
            assert all(map(is_word, attempt(peer, lambda: region.read_words(0, 3)) or ()))
            attempt(peer, machine.catch_up)
        assert len(machine.received) <= LINE_BYTES_MAX + PIECE_BYTES
        assert len(machine.raised) <= IRQS_MAX
        region.close()


def use_openocd(peer: Peer) -> None:
    with reached(peer):
        region: OpenOcdRegion | None = attempt(peer, lambda: open_openocd("x:1", 0x1000, 0x40))
        if region is None:
            return
        for _ in range(3):
            assert is_word(attempt(peer, lambda: region.read(4, 4)))
            attempt(peer, lambda: region.write(0, 5, 2))
            assert all(map(is_word, attempt(peer, lambda: region.read_words(0, 3)) or ()))
            attempt(peer, lambda: region.write_words(0, [5, 0]))
        assert len(region.link.received) <= LINE_BYTES_MAX + PIECE_BYTES
        region.close()


def scripts(texts: st.SearchStrategy[bytes]) -> st.SearchStrategy[list[list[bytes] | None]]:
    """What a peer says, question by question: mostly what it ought to, so that it gets far."""
    said = st.lists(st.one_of(texts, st.binary(max_size=8)), max_size=6)
    return st.lists(st.one_of(st.none(), st.none(), st.none(), said), max_size=40)


GDB_TEXTS = st.one_of(
    st.binary(max_size=30).map(framed),
    st.text("0123456789abcdefxOEKQTSW+-*} :;,.", max_size=24).map(
        lambda text: framed(text.encode())
    ),
    st.sampled_from(
        [
            *(b"+", b"-", b"$", b"#", b"#00", b"$#00", b"%x#78", b"$O1#80", b"}", b"$" * 99),
            *map(framed, (b"OK", b"", b"E01", b"E.\x1b[2J", b"T05", b"0*~", b"EFF", b"QC1")),
            *map(framed, (b"01000000", b"0" * 5000, b"*" * 300, b"1" * 16)),
        ]
    ),
)
QTEST_TEXTS = st.one_of(
    st.binary(max_size=30).map(lambda text: text + b"\n"),
    st.sampled_from(
        [
            *(
                b"OK\n",
                b"OK little\n",
                b"FAIL \x1b[31m\n",
                b"OK 0x1\n",
                b"OK -0x5\n",
                b"\n",
                b"\r\n",
            ),
            *(b"OK 0x" + b"f" * 400 + b"\n", b"OK 0x0000000001\n", b"OK \xd9\xa3\n", b"OK"),
            *(b"IRQ raise 3\n", b"IRQ raise " + b"9" * 5000 + b"\n", b"IRQ lower -1\n", b"IRQ \n"),
            *(b"IRQ raise 4095\n", b"IRQ raise \xd9\xa3\n", b"IRQ", b" raise", b"x" * 20_000),
        ]
    ),
)

OPENOCD_TEXTS = st.one_of(
    st.binary(max_size=30).map(lambda text: text + b"\x1a"),
    st.builds(
        lambda number, code, said: f"{number} {code} {said}\x1a".encode(),
        st.integers(0, 30),
        st.integers(0, 12),
        st.sampled_from(
            [
                *("", "0x1", "0x1 0x2 0x3", "0x100000000", "-0x1", "0x٣", "little", "big"),
                *("chip.cpu", "a b", "[exec x]", "read_memory", "\x1b[2J", "{", "x" * 5000),
            ]
        ),
    ),
    st.sampled_from([b"\x1a", b"1", b" 0", b"1 0 0x1", b"x" * 20_000, b"\xd9\xa3 0 0x1\x1a"]),
)


@given(scripts(GDB_TEXTS), st.sampled_from([None, SCRATCH]))
@settings(max_examples=EXAMPLES)
def test_whatever_a_stub_says(script: list[list[bytes] | None], step: int | None) -> None:
    use_gdb(Peer(Honest(FakeGdb), script), step)


@given(scripts(GDB_TEXTS))
@settings(max_examples=EXAMPLES)
def test_whatever_a_stub_says_whose_processor_runs(script: list[list[bytes] | None]) -> None:
    use_gdb(Peer(Honest(RunningGdb), script), None, ",run=yes")


@given(scripts(OPENOCD_TEXTS))
@settings(max_examples=EXAMPLES)
def test_whatever_openocd_says(script: list[list[bytes] | None]) -> None:
    use_openocd(Peer(Honest(FakeOpenOcd), script))


@given(scripts(QTEST_TEXTS))
@settings(max_examples=EXAMPLES)
def test_whatever_qemu_says(script: list[list[bytes] | None]) -> None:
    use_qtest(Peer(Honest(FakeQtest), script))


@pytest.mark.parametrize(
    ("use", "kind", "words"),
    [
        (use_qtest, FakeQtest, {}),
        (lambda peer: use_gdb(peer, None), FakeGdb, {0x1000: 5}),
        (lambda peer: use_gdb(peer, None, ",run=yes"), RunningGdb, {0x1000: 5}),
        (use_openocd, FakeOpenOcd, {0x1000: 5, 0x1004: 0}),
    ],
)
def test_with_a_peer_that_behaves_all_of_it_works(
    use: Callable[[Peer], None], kind: Any, words: dict[int, int]
) -> None:
    honest = Honest(kind)
    use(Peer(honest, []))
    assert honest.stub.words == words


# -- one deadline, and a number of bytes, for the whole access


@pytest.mark.parametrize(
    ("scheme", "noise"),
    [
        (Gdb, framed(b"O48")),
        (Gdb, b"+"),
        (Gdb, b"-"),
        (Gdb, b"$O4"),
        (Qtest, b"IRQ raise 1\n"),
        (Qtest, b"O"),
        (OpenOcd, b"1"),
    ],
)
def test_an_access_has_one_deadline_however_often_something_comes(
    scheme: type[Gdb | Qtest | OpenOcd], noise: bytes
) -> None:
    peer = Peer(Honest(FAKES[scheme]), [])
    with reached(peer):
        made = scheme.share("/x")
        region = made.region(0x1000, 0x40)
        made.release()
        peer.slow_s = 0.3
        began_s = peer.now_s
        peer.script.append([noise] * 1000)
        with pytest.raises(RemoteGone):
            region.read(0, 4)
        assert peer.now_s - began_s <= link.ANSWER_S + 1e-6
        region.close()


@pytest.mark.parametrize(
    ("scheme", "flood"),
    [
        (Gdb, framed(b"O48")),
        (Gdb, b"$#00"),
        (Gdb, b"noise"),
        (Gdb, b"$O4"),
        (Qtest, b"IRQ raise 1\n"),
        (Qtest, b"IRQ"),
        (OpenOcd, b"1"),
    ],
)
def test_an_access_takes_so_many_bytes(scheme: type[Gdb | Qtest | OpenOcd], flood: bytes) -> None:
    peer = Peer(Honest(FAKES[scheme]), [])
    with reached(peer):
        made = scheme.share("/x")
        region = made.region(0x1000, 0x40)
        made.release()
        before = peer.heard_bytes
        peer.script.append([flood * (4 * RECEIVED_MAX // len(flood))])
        with pytest.raises((RemoteGone, RemoteError)):
            region.read(0, 4)
        assert peer.heard_bytes - before <= RECEIVED_MAX + WORD_RECEIVED_MAX + PIECE_BYTES
        region.close()


ENOUGH = {
    Gdb: [framed(b"O" + b"41" * 500) * 60, b"+" * 8000, b"%x#78" * 1600],
    Qtest: [b"IRQ raise 9\n" * 5000],
}


@pytest.mark.parametrize(
    ("scheme", "flood"), [(scheme, flood) for scheme in ENOUGH for flood in ENOUGH[scheme]]
)
def test_what_comes_with_every_access_is_bounded_for_all_of_them(
    scheme: type[Gdb | Qtest | OpenOcd], flood: bytes
) -> None:
    honest = Honest(FAKES[scheme])
    peer = Peer(honest, [])
    with reached(peer):
        made = scheme.share("/x")
        region = made.region(0x1000, 0x40)
        made.release()
        before = peer.heard_bytes

        def use() -> None:
            for _ in range(100):
                region.read(0, 4)
                peer.pieces.append(flood)

        with pytest.raises(RemoteGone, match="x sends without end: 512 KiB at once"):
            use()
        assert peer.heard_bytes - before <= RECEIVED_MAX + 100 * WORD_RECEIVED_MAX
        region.close()


@pytest.mark.parametrize(
    ("scheme", "noise"),
    [(Gdb, framed(b"O" + b"41" * 1000) * 2), (Qtest, b"IRQ raise 9\nIRQ lower 9\n" * 100)],
)
def test_as_much_as_programs_print_passes_for_ever(
    scheme: type[Gdb | Qtest | OpenOcd], noise: bytes
) -> None:
    peer = Peer(Honest(FAKES[scheme]), [])
    with reached(peer):
        made = scheme.share("/x")
        region = made.region(0x1000, 0x40)
        made.release()
        for _ in range(2000):
            peer.pieces.append(noise)
            assert region.read(0, 4) == 0
            peer.now_s += 0.02
        region.close()


def test_accesses_one_after_the_other_earn_what_their_answers_cost() -> None:
    peer = Peer(Honest(FakeGdb), [])
    with reached(peer):
        made = Gdb.share("/x")
        region = made.region(0x9000_1000, 0x40, step=SCRATCH)
        made.release()
        for value in range(2000):
            region.write(0, value, 4)
            assert region.read(0, 4) == value
        region.close()


def test_to_clear_takes_a_part_of_what_has_no_end() -> None:
    peer = Peer(Honest(FakeQtest), [])
    with reached(peer):
        machine = Qtest.share("/x")
        peer.pieces.append(b"".join(b"IRQ raise %d\n" % line for line in range(20_000)))
        before = peer.heard_bytes
        machine.catch_up()
        assert peer.heard_bytes - before == PIECE_BYTES
        assert peer.pieces, "what is left shows on the socket"
        while peer.pieces:
            machine.catch_up()
        assert machine.raised == set(range(IRQS_MAX))
        machine.release()


# -- work


class Counted(bytearray):
    """What was received; counts bytes that are looked at or moved."""

    steps = 0

    def find(self, what: Any, start: Any = 0, *end: Any) -> int:
        found = super().find(what, start, *end)
        self.steps += 1 + (len(self) if found < 0 else found) - start
        return found

    def rfind(self, what: Any, *bounds: Any) -> int:
        found = super().rfind(what, *bounds)
        self.steps += 1 + len(self) - found
        return found

    def pop(self, index: Any = -1) -> int:
        self.steps += len(self)
        return super().pop(index)

    def __delitem__(self, where: Any) -> None:
        self.steps += 1
        super().__delitem__(where)


class CountedSearch:
    """In place of a regular expression; counts what it is led over."""

    def __init__(self, real: Any) -> None:
        self.real = real

    def search(self, text: Counted) -> Any:
        found = self.real.search(text)
        text.steps += found.end() if found else len(text)
        return found


FLOODS = [
    b"$",
    b"+",
    b"-",
    b"#",
    b"$#",
    b"$#00",
    b"%",
    b"$}",
    b"$*",
    b"$O",
    b"x",
    b"$O48#bb",
    b"\n",
]


def work(flood: bytes, size: int, piece: int, lines: bool) -> int:
    """Return what it takes to take so many bytes to pieces."""
    received = Counted()
    taker: Any = Lines(received) if lines else Packets(received)
    data = (flood * size)[:size]
    for begin in range(0, size, piece):
        received += data[begin : begin + piece]
        if lines:
            while taker.first() is not None:
                taker.drop()
        else:
            while taker.take() is not None:
                received.steps += 1
    return received.steps


@pytest.mark.parametrize("piece", [1, 7, 8192])
@pytest.mark.parametrize("flood", FLOODS)
@pytest.mark.parametrize("lines", [True, False])
def test_work_is_a_few_steps_a_byte(
    flood: bytes, piece: int, lines: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packets, "SIGNIFICANT", CountedSearch(packets.SIGNIFICANT))
    size = 16_000
    assert work(flood, size, piece, lines) <= 12 * size


def test_what_has_no_end_is_refused_soon() -> None:
    with pytest.raises(Endless, match="without end"):
        Lines(bytearray(LINE_BYTES_MAX + 1)).first()
    with pytest.raises(Endless, match="without end"):
        Packets(bytearray(b"$" + bytes(FRAME_BYTES_MAX))).take()
    assert Packets(bytearray(b"$" * (2 * FRAME_BYTES_MAX))).take() is None


# -- registers of the processor


@pytest.mark.parametrize("value", [b"", b"11" * 5, b"11" * 1000, b"1", b"xxxxxxxx", b"-1000000"])
def test_a_register_of_another_size_is_none(value: bytes) -> None:
    honest = Honest(FakeGdb)
    answer = honest.stub.answer

    def ask(packet: bytes, stops: bool = False) -> bytes:
        told = answer(packet.decode())  # type: ignore[arg-type]
        assert isinstance(told, bytes)
        return value if packet == b"p0" else told

    with pytest.raises(RemoteError, match="does not tell register 0"):
        gdb_step.Processor(ask, SCRATCH)


@pytest.mark.parametrize("digits", [1, 3, 5])
def test_half_a_byte_of_console_output_is_left_out(digits: int) -> None:
    peer = Peer(Honest(FakeGdb), [[framed(b"O" + b"48484"[:digits]) + b"+" + framed(b"")]])
    with reached(peer):
        stub = Gdb.share("/x")
        assert stub.console == "H" * (digits // 2)
        stub.release()
