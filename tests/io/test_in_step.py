"""No answer is taken for that of another question, whatever comes unasked."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mboxio.errors import AddressError, RemoteError, RemoteGone
from mboxio.regions import Region, open_region
from mboxio.regions.probes import link, serial
from tests.io.stubs import BlackMagic, FakeGdb, FakeQtest, framed
from tests.tools import tool

WORDS = {0x1000: 0x1010, 0x1004: 0x1414, 0x1008: 0x1818}
CONSOLE = framed(b"O48690a")


@pytest.fixture
def gdb(tmp_path: Path) -> Iterator[FakeGdb]:
    with FakeGdb(tmp_path) as running:
        running.words.update(WORDS)
        yield running


@pytest.fixture
def qemu(tmp_path: Path) -> Iterator[FakeQtest]:
    with FakeQtest(tmp_path) as running:
        running.words.update(WORDS)
        yield running


@pytest.fixture
def probe() -> Iterator[BlackMagic]:
    with BlackMagic() as running:
        running.words.update(WORDS)
        yield running


def opened(stub: FakeGdb | FakeQtest, more: str = "") -> Region:
    scheme = "qtest" if isinstance(stub, FakeQtest) else "gdb"
    return open_region(f"{scheme}:{stub.path}{more}@0x1000+0x40")


def say(stub: FakeGdb, data: bytes) -> None:
    """Send what nobody asked for."""
    assert stub.peer is not None
    stub.peer.sendall(data)


def values(region: Region) -> list[int]:
    return [region.read(offset, 4) for offset in (0, 4, 8)]


# -- a debugger's stub


def test_with_acknowledgements_a_second_answer_is_thrown_away(gdb: FakeGdb) -> None:
    gdb.no_ack, gdb.twice = False, True
    with opened(gdb) as region:
        assert values(region) == [0x1010, 0x1414, 0x1818]
        region.write(8, 5, 4)
        assert region.read_words(0, 3) == [0x1010, 0x1414, 5]


def test_without_them_it_ends_the_connection(gdb: FakeGdb) -> None:
    with opened(gdb) as region:
        gdb.twice = True
        assert region.read(0, 4) == 0x1010
        with pytest.raises(RemoteGone, match=r"an answer that nothing asked for$"):
            region.read(4, 4)
        gdb.twice = False
        assert region.lost
        region.reopen()
        assert values(region) == [0x1010, 0x1414, 0x1818]


def test_nor_is_it_thrown_away_where_a_stub_forgets_to_acknowledge(gdb: FakeGdb) -> None:
    gdb.no_ack = gdb.acknowledges = False
    with opened(gdb) as region:
        assert values(region) == [0x1010, 0x1414, 0x1818]
        gdb.twice = True
        assert region.read(0, 4) == 0x1010
        with pytest.raises(RemoteGone, match=r"an answer that nothing asked for$"):
            region.read(4, 4)


def test_an_answer_that_comes_while_nobody_asks_is_none(gdb: FakeGdb) -> None:
    gdb.no_ack = False
    with opened(gdb) as region:
        say(gdb, framed(b"efbeadde"))
        assert values(region) == [0x1010, 0x1414, 0x1818]


@pytest.mark.parametrize("rest", [b"beadde#2a", b"48690a#0f"])
def test_a_packet_that_began_before_the_question_is_no_answer(gdb: FakeGdb, rest: bytes) -> None:
    with opened(gdb) as region:
        console = rest.startswith(b"4")
        say(gdb, b"$O" if console else b"$ef")
        gdb.chatter = framed((b"O" if console else b"ef") + rest[:-3])[2 if console else 3 :]
        if console:
            assert region.read(0, 4) == 0x1010
        else:
            with pytest.raises(RemoteGone, match="an answer that nothing asked for"):
                region.read(0, 4)


@pytest.mark.parametrize("no_ack", [True, False])
@pytest.mark.parametrize(
    "idle",
    [
        CONSOLE * 200,
        b"%Stop:T05thread:01-02;#" + b"%02x" % (sum(b"Stop:T05thread:01-02;") & 0xFF),
        framed(b"T05thread:01;"),
        framed(b"S05") + CONSOLE,
        b"\r\nnoise\r\n",
        b"$48690a#" + CONSOLE,
        b"+++",
    ],
)
def test_reports_and_noise_come_at_any_time(gdb: FakeGdb, idle: bytes, no_ack: bool) -> None:
    gdb.no_ack = no_ack
    with opened(gdb) as region:
        for where in ("chatter", "after"):
            setattr(gdb, where, idle)
            assert values(region) == [0x1010, 0x1414, 0x1818]
            setattr(gdb, where, b"")
            say(gdb, idle)
            assert values(region) == [0x1010, 0x1414, 0x1818]


def test_a_report_from_before_a_step_is_not_that_of_the_step(gdb: FakeGdb) -> None:
    gdb.words[0x9000_0000] = 0
    with opened(gdb, ",step=0x90000000") as region:
        gdb.after = framed(b"T05thread:01;")
        assert values(region) == [0x1010, 0x1414, 0x1818]


def test_output_without_end_is_bounded_by_time(
    gdb: FakeGdb, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flood(question: str) -> bytes:
        while True:
            say(gdb, CONSOLE * 1000)

    with opened(gdb) as region:
        monkeypatch.setattr(link, "ANSWER_S", 0.05)
        gdb.answer = flood  # type: ignore[method-assign]
        with pytest.raises(RemoteGone, match=r"does not answer within|sends without end"):
            region.read(0, 4)


def test_a_flood_of_beginnings_is_read_once(gdb: FakeGdb) -> None:
    with opened(gdb) as region:
        gdb.chatter = b"$" * 400_000
        assert region.read(0, 4) == 0x1010


def test_a_run_length_code_that_explodes_is_refused(gdb: FakeGdb) -> None:
    with opened(gdb) as region:
        gdb.error = b"0" + b"*~" * 20_000
        with pytest.raises(RemoteGone, match="garbles packets"):
            region.read(0, 4)


# -- QEMU


def test_qtest_ends_at_an_answer_that_nothing_asked_for(qemu: FakeQtest) -> None:
    with opened(qemu) as region:
        qemu.after = b"OK 0x00000000deadbeef\n"
        assert region.read(0, 4) == 0x1010
        with pytest.raises(RemoteGone, match=r"an answer that nothing asked for$"):
            region.read(4, 4)


def test_qtest_takes_no_part_of_a_batch_where_there_is_one_too_many(qemu: FakeQtest) -> None:
    with opened(qemu) as region:
        qemu.after = b"OK 0x00000000deadbeef\n"
        with pytest.raises(RemoteGone, match=r"an answer that nothing asked for$"):
            region.read_words(0, 3)


@pytest.mark.parametrize("idle", ["OK\n", "OK 0x0", "\n", "O"])
def test_qtest_notices_it_while_nobody_asks(qemu: FakeQtest, idle: str) -> None:
    with opened(qemu) as region:
        qemu.say(idle)
        with pytest.raises(RemoteGone, match=r"an answer that nothing asked for$"):
            region.write(0, 1, 4)
        assert qemu.words[0x1000] == 0x1010


@pytest.mark.parametrize(
    "report", ["IRQ raise 3\n", "IRQ lower 3\n" * 1000, "IRQ raise " + "9" * 9999]
)
def test_qtest_reports_come_at_any_time(qemu: FakeQtest, report: str) -> None:
    with opened(qemu) as region:
        qemu.say(report.rstrip("\n") + "\n")
        assert values(region) == [0x1010, 0x1414, 0x1818]
        qemu.after = report.rstrip("\n").encode() + b"\n"
        assert values(region) == [0x1010, 0x1414, 0x1818]
        assert region.read_words(0, 3) == [0x1010, 0x1414, 0x1818]


def test_qtest_gives_no_number_that_is_none_of_this_width(qemu: FakeQtest) -> None:
    with opened(qemu) as region:
        qemu.answer = lambda words: "OK 0x100000000"  # type: ignore[method-assign]
        with pytest.raises(RemoteError, match="no numbers of 4 bytes"):
            region.read(0, 4)


# -- what stubs want to hear first


def test_a_stub_that_wants_a_thread_chosen_first(gdb: FakeGdb) -> None:
    gdb.cautious = True
    with opened(gdb) as region:
        assert values(region) == [0x1010, 0x1414, 0x1818]


def test_gnu_gdbserver(tmp_path: Path) -> None:
    server = subprocess.Popen(
        [tool("gdbserver"), "--once", "localhost:0", sys.executable, "-c", "input()"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stderr is not None
    lines = [server.stderr.readline(), server.stderr.readline()]
    try:
        pid = next(line.split()[-1] for line in lines if "pid" in line)
        port = next(line.split()[-1] for line in lines if "port" in line)
        begin = Path(f"/proc/{pid}/maps").read_text().partition("-")[0]
        with open_region(f"gdb:localhost:{port}@0x{begin}+0x10") as region:
            assert region.read(0, 4).to_bytes(4, "little") == b"\x7fELF"
    finally:
        server.kill()
        server.communicate()


def test_a_black_magic_probe_on_its_serial_port(probe: BlackMagic) -> None:
    with opened(probe, ",monitor=swdp_scan,attach=1") as region:
        assert values(region) == [0x1010, 0x1414, 0x1818]
        region.write(4, 7, 4)
        with opened(probe) as other, opened(probe, ",monitor=swdp_scan,attach=1") as third:
            assert other.read(4, 4) == third.read(4, 4) == 7
        with pytest.raises(AddressError, match=r"one connection begins in one way"):
            opened(probe, ",monitor=jtag_scan")
    assert probe.asked.index("!") < probe.asked.index("vAttach;1")
    assert probe.asked.count("vAttach;1") == 1


def test_without_its_commands_it_is_said_what_it_wants(probe: BlackMagic) -> None:
    with opened(probe) as region, pytest.raises(RemoteError, match=r"monitor=swdp_scan,attach=1@"):
        region.read(0, 4)


@pytest.mark.parametrize(
    ("commands", "text"),
    [
        (",monitor=swpd_scan", "refuses monitor=swpd_scan: 'E01'; it said: Available Targets:$"),
        (",attach=1", "refuses attach=1: 'E01'$"),
        (",attach=x", "'x' is no number"),
        (",monitor=", "monitor=COMMAND and attach=N say"),
        (",mon=x", "no option 'mon=x'; there are: verify, step, run, monitor, attach"),
    ],
)
def test_a_command_that_is_refused(probe: BlackMagic, commands: str, text: str) -> None:
    with pytest.raises(AddressError, match=text):
        opened(probe, commands)


def test_a_probe_has_one_user(probe: BlackMagic) -> None:
    with opened(probe):
        code = f"from mboxio.regions import open_region; open_region('gdb:{probe.path}@0+4')"
        other = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    assert f"another program uses {probe.path}: end it first" in other.stderr


@pytest.mark.parametrize(
    ("number", "says"), [(errno.EACCES, "join its group"), (errno.EBUSY, "another program uses")]
)
def test_a_port_that_cannot_be_had(
    probe: BlackMagic, monkeypatch: pytest.MonkeyPatch, number: int, says: str
) -> None:
    def refuse(path: object, flags: int) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(serial.os, "open", refuse)  # type: ignore[attr-defined]
    with pytest.raises(AddressError, match=says):
        opened(probe)


def test_a_probe_that_is_unplugged(probe: BlackMagic) -> None:
    with opened(probe) as region:
        probe.hang_up()
        with pytest.raises(RemoteGone, match="is gone"):
            region.read(0, 4)
        assert region.lost


def test_no_serial_port(gdb: FakeGdb) -> None:
    with pytest.raises(AddressError, match="/dev/null is no serial port"):
        open_region("gdb:/dev/null@0+4")
