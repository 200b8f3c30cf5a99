"""A processor that runs between the accesses of its debugger's stub."""

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from mboxio._os.descriptors import readable
from mboxio.errors import AddressError, RemoteError, RemoteGone
from mboxio.regions import Region, open_region
from mboxio.regions.probes import gdb_talk, link
from mboxio.regions.probes.gdb import Gdb, GdbRegion
from tests.hardening.support import until
from tests.io.running import RunningGdb
from tests.io.stubs import PATIENCE_S, FakeGdb, framed


@pytest.fixture(params=["acknowledged", "not acknowledged"])
def stub(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningGdb]:
    with RunningGdb(tmp_path) as running:
        running.no_ack = request.param == "not acknowledged"
        yield running


@pytest.fixture
def region(stub: RunningGdb) -> Iterator[GdbRegion]:
    with opened(stub) as region:
        until(lambda: stub.runs)
        del stub.asked[:]
        yield region


def opened(stub: FakeGdb, more: str = "") -> GdbRegion:
    region = open_region(f"{stub.address}{more}@0x1000+0x40")
    assert isinstance(region, GdbRegion)
    return region


def came(region: GdbRegion) -> bool:
    """Return whether something is there to be heard."""
    return bool(region.link.received) or readable(region.link.socket.fileno(), 0)


def runs_on(stub: RunningGdb, asked: list[str]) -> None:
    """Have nothing else be asked but this, with the processor let run at the end."""
    until(lambda: stub.runs)
    assert stub.accesses == ["break", *asked, "c"]


def test_it_stands_for_an_access_and_runs_on(stub: RunningGdb, region: Region) -> None:
    region.write(4, 5, 4)
    runs_on(stub, ["M1004,4:05000000"])
    assert region.read(4, 4) == 5
    runs_on(stub, ["m1004,4"])


def test_many_words_are_one_stop(stub: RunningGdb, region: Region) -> None:
    region.write_words(0, [1, 2])
    runs_on(stub, ["M1000,4:01000000", "M1004,4:02000000"])
    assert region.read_words(0, 2) == [1, 2]
    runs_on(stub, ["m1000,4", "m1004,4"])
    region.write_words(0, [])
    assert region.read_words(0, 0) == []
    assert stub.accesses == []


def test_it_runs_from_the_start_and_after_the_end(stub: RunningGdb) -> None:
    with opened(stub):
        until(lambda: stub.runs)
    until(lambda: stub.peer is None)
    assert stub.runs


def test_what_is_read_back_is_one_more_stop(stub: RunningGdb) -> None:
    with opened(stub, ",verify=yes") as region:
        until(lambda: stub.runs)
        del stub.asked[:]
        region.write_words(0, [1, 2])
        until(lambda: stub.runs)
        assert stub.accesses.count("break") == 2
        stub.words = {0x1000: 1}
        stub.drops_writes, stub.physical = True, False
        with pytest.raises(RemoteError, match="the write was dropped"):
            region.write(4, 7, 4)
        until(lambda: stub.runs)


def test_an_access_that_is_refused_lets_it_run(stub: RunningGdb, region: Region) -> None:
    stub.error = b"E01"
    with pytest.raises(RemoteError, match="reading 0x1004 failed: 'E01'"):
        region.read(4, 4)
    runs_on(stub, ["m1004,4"])
    with pytest.raises(RemoteError, match="writing 0x1000 failed"):
        region.write_words(0, [1, 2, 3])
    runs_on(stub, ["M1000,4:01000000"])
    stub.error = b""
    assert region.read(4, 4) == 0


def test_it_may_have_stopped_by_itself(stub: RunningGdb, region: GdbRegion) -> None:
    stub.stops_at_once = 2
    for first in (["break"], [], []):  # there is nothing to stop
        assert region.read(0, 4) == 0
        until(lambda: stub.asked[-1:] == ["c"])
        assert stub.accesses == [*first, "m1000,4", "c"]
        until(lambda: stub.runs or came(region))
    assert region.read(0, 4) == 0
    runs_on(stub, ["m1000,4"])


def test_a_second_report_means_nothing(stub: RunningGdb, region: Region) -> None:
    stub.words[0x1000] = 7
    for _ in range(20):
        stub.reports_again = 1  # as QEMU does where it is asked while it runs
        assert region.read_words(0, 3) == [7, 0, 0]
        runs_on(stub, ["m1000,4", "m1004,4", "m1008,4"])


@pytest.mark.parametrize("report", [b"S02", b"T05hwbreak:;", b"X09", b"W00"])
def test_all_reports_are_stops(stub: RunningGdb, region: Region, report: bytes) -> None:
    stub.report = report
    assert region.read(0, 4) == 0
    runs_on(stub, ["m1000,4"])


@pytest.mark.parametrize("report", [b"OK", b"", b"E01", b"00000000"])
def test_a_break_that_is_answered_by_something_else(
    stub: RunningGdb, region: Region, report: bytes
) -> None:
    stub.report = report
    with pytest.raises(RemoteGone, match="an answer that nothing asked for"):
        region.read(0, 4)
    assert region.lost
    until(lambda: stub.asked[-1] == "c")


def test_console_output_is_no_report(stub: RunningGdb, region: Region) -> None:
    stub.report = b"T02"
    honest = stub.stop

    def stop() -> Iterator[bytes]:
        yield framed(b"O48690a")
        yield from honest()

    stub.stop = stop  # type: ignore[method-assign]
    assert region.read(0, 4) == 0
    runs_on(stub, ["m1000,4"])


def test_a_stub_that_does_not_stop_it_is_given_up(
    stub: RunningGdb, region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "ANSWER_S", 0.05)
    stub.stop = lambda: iter(())  # type: ignore[method-assign]
    with pytest.raises(RemoteGone, match="does not answer within"):
        region.read(0, 4)
    until(lambda: stub.asked[-1:] == ["c"])


@pytest.mark.parametrize("no_ack", [True, False])
def test_what_breaks_off_in_the_middle_lets_it_run(
    no_ack: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RunningGdb(None) as stub:
        stub.no_ack = no_ack
        with opened(stub) as region:
            honest, left = region.link.hear, [KeyboardInterrupt()]

            def hear() -> None:
                if not region.link.runs and left:
                    raise left.pop()
                honest()

            monkeypatch.setattr(region.link, "hear", hear)
            until(lambda: stub.runs)
            del stub.asked[:]
            with pytest.raises(KeyboardInterrupt):
                region.read_words(0, 4)
            runs_on(stub, ["m1000,4"])
            with pytest.raises(RemoteGone, match="interrupted in the middle"):
                region.read(0, 4)
            region.reopen()
            assert region.read(0, 4) == 0
            until(lambda: stub.runs)


def test_an_interruption_between_two_questions_costs_no_connection(
    stub: RunningGdb, region: GdbRegion, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []
    honest = region.link.exchange

    def exchange(packet: bytes, stops: bool = False) -> bytes:
        asked.append(packet)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return honest(packet, stops)

    monkeypatch.setattr(region.link, "exchange", exchange)
    with pytest.raises(KeyboardInterrupt):
        region.read_words(0, 4)
    runs_on(stub, ["m1000,4"])
    assert region.read(0, 4) == 0
    assert stub.clients == 1


def test_to_let_run_is_said_again_where_it_arrived_damaged(tmp_path: Path) -> None:
    with RunningGdb(tmp_path) as stub:
        stub.no_ack = False
        with opened(stub) as region:
            until(lambda: stub.runs)
            del stub.asked[:]
            stub.doubts = 2
            assert region.read(0, 4) == 0
            assert stub.accesses == ["break", "m1000,4", "c", "c", "c"]
            assert stub.runs
            stub.doubts = 9
            with pytest.raises(RemoteGone, match="garbles packets"):
                region.read(0, 4)


def test_a_refused_beginning_lets_it_run(stub: RunningGdb) -> None:
    with pytest.raises(AddressError, match="refuses monitor=halt"):
        open_region(f"gdb:{stub.path},monitor=halt,run=yes@0+4")
    until(lambda: stub.runs)
    assert stub.asked[-1] == "c"
    stub.physical_works = False
    with pytest.raises(AddressError, match="might be dropped"):
        opened(stub)
    until(lambda: stub.runs)


def test_it_runs_for_as_long_as_it_stood(
    stub: RunningGdb, region: GdbRegion, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s, slept_s = [region.link.due_s + 1], [0.0]

    def sleep(seconds: float) -> None:
        slept_s[0] += seconds
        now_s[0] += seconds

    clock = SimpleNamespace(monotonic=lambda: now_s[0], sleep=sleep)
    monkeypatch.setattr(gdb_talk, "time", clock)
    honest = stub.answer

    def answer(question: str) -> bytes:
        now_s[0] += 0.01  # what a word takes
        return honest(question)

    stub.answer = answer  # type: ignore[method-assign]
    region.read_words(0, 4)
    assert slept_s[0] == 0
    region.read(0, 4)
    assert slept_s[0] == pytest.approx(0.04)
    now_s[0] += 5
    region.read(0, 4)
    assert slept_s[0] == pytest.approx(0.04), "it has run for long enough"


def test_threads_do_not_share_a_stop(stub: RunningGdb, region: Region) -> None:
    wrong: list[object] = []

    def use(base: int) -> None:
        for _ in range(20):
            region.write_words(base, [base, base + 1, base + 2])
            if region.read_words(base, 3) != [base, base + 1, base + 2]:
                wrong.append(base)

    threads = [threading.Thread(target=use, args=(0x10 * each,)) for each in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    until(lambda: stub.runs)
    assert not wrong
    asked = stub.accesses
    assert len(asked) == 120 * 5
    assert asked[::5] == ["break"] * 120
    assert asked[4::5] == ["c"] * 120


def test_a_new_connection_lets_it_run_as_well(stub: RunningGdb, region: Region) -> None:
    stub.hang_up()
    with pytest.raises(RemoteGone):
        region.read(0, 4)
    until(lambda: stub.peer is None)
    region.reopen()
    until(lambda: stub.runs)
    assert region.read(0, 4) == 0
    assert stub.clients == 2


def test_an_access_costs_its_stop(stub: RunningGdb, region: Region) -> None:
    assert region.access_s > 0
    with open_region(f"gdb:{stub.path}@0x2000+4") as other:
        assert other.read(0, 4) == 0, "one connection, which lets it run"


def test_ways_that_exclude_each_other(stub: RunningGdb) -> None:
    for more, text in {
        ",run=perhaps": "run is yes or no",
        ",run=yes,step=0x100": "without run=yes",
    }.items():
        with pytest.raises(AddressError, match=text):
            open_region(f"gdb:{stub.path}{more}@0+4")
    with open_region(f"gdb:{stub.path},run=no@0+4"):
        assert "c" not in stub.asked
        with pytest.raises(AddressError, match="begins in one way"):
            opened(stub)
    until(lambda: stub.peer is None)
    with opened(stub):
        talk = Gdb.share(stub.path)
        with pytest.raises(AddressError, match="makes no steps"):
            talk.region(0, 4, step=0x100)
        talk.release()
