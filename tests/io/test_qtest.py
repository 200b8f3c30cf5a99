"""The qtest region against a stub that speaks as QEMU does."""

import os
import select
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mboxio.errors import AddressError, RemoteError, RemoteGone
from mboxio.regions import Kind, Region, open_region
from mboxio.regions.probes import link
from mboxio.regions.probes.qtest import Qtest, QtestRegion
from tests.io.stubs import PATIENCE_S, FakeQtest
from tests.tools import fork


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[FakeQtest]:
    with FakeQtest(tmp_path) as running:
        yield running


@pytest.fixture
def region(stub: FakeQtest) -> Iterator[QtestRegion]:
    with open_region(f"qtest:{stub.path}@0x1000+0x40") as opened:
        assert isinstance(opened, QtestRegion)
        yield opened


def readable(descriptor: int, timeout_s: float) -> bool:
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(timeout_s * 1000))


def test_words_are_read_and_written_at_their_addresses(stub: FakeQtest, region: Region) -> None:
    region.write(4, 0xDEADBEEF, 4)
    region.write_words(8, [1, 2])
    assert stub.words == {0x1004: 0xDEADBEEF, 0x1008: 1, 0x100C: 2}
    assert region.read(4, 4) == 0xDEADBEEF
    assert region.read_words(4, 3) == [0xDEADBEEF, 1, 2]


def test_an_access_says_its_price(region: Region) -> None:
    assert region.kind is Kind.REMOTE
    assert 0 < region.access_s < 5
    assert "us per access" in repr(region.link)  # type: ignore[attr-defined]


def test_many_words_are_each_read_once_and_in_order(stub: FakeQtest) -> None:
    stub.words = {0x1000 + 4 * index: index for index in range(1000)}
    with open_region(f"qtest:{stub.path}@0x1000+4000") as region:
        del stub.asked[:]
        assert region.read_words(0, 1000) == list(range(1000))
        assert stub.asked == [f"readl {0x1000 + 4 * index:#x}" for index in range(1000)]
        region.write_words(0, range(1000, 2000))
    assert stub.words == {0x1000 + 4 * index: 1000 + index for index in range(1000)}


def test_a_fifo_gives_one_word_for_each_read(stub: FakeQtest, region: Region) -> None:
    stub.fifo_at = 0x1000
    stub.fifo.extend([7, 8, 9])
    assert [region.read(0, 4) for _ in range(4)] == [7, 8, 9, 0xF]


def test_narrow_accesses_go_out_as_they_are(stub: FakeQtest, region: Region) -> None:
    region.write(1, 5, 1)
    assert region.read(2, 2) == 0  # QEMU's registers take no narrow access; that is its affair
    assert stub.asked[-2:] == ["writeb 0x1001 0x5", "readw 0x1002"]


def test_what_is_no_access_reaches_nobody(stub: FakeQtest, region: Region) -> None:
    before = len(stub.asked)
    for wrong in [
        lambda: region.read(0, 8),  # QEMU would make two of it
        lambda: region.read(2, 4),
        lambda: region.read_words(2, 1),
        lambda: region.write(0, 1 << 32, 4),
        lambda: region.write_words(0, [1 << 32]),
        lambda: region.write_words(0, [-1]),
    ]:
        with pytest.raises(ValueError):
            wrong()
    with pytest.raises(IndexError):
        region.read(0x40, 4)
    with pytest.raises(TypeError, match="no block access"):
        region.read_block(0, 4)
    assert len(stub.asked) == before


def test_regions_share_one_connection(stub: FakeQtest) -> None:
    first = open_region(f"qtest:{stub.path}@0x1000+0x40")
    second = open_region(f"qtest:{stub.path}@0x2000+0x40")
    first.close()
    first.close()
    second.write(0, 1, 4)
    assert stub.words == {0x2000: 1}
    assert stub.clients == 1
    with pytest.raises(ValueError, match="closed"):
        first.read(0, 4)
    second.close()
    with open_region(f"qtest:{stub.path}@0+4") as third:
        assert third.read(0, 4) == 0
    assert stub.clients == 2


def test_threads_take_turns(stub: FakeQtest) -> None:
    stub.words = {address: address for address in range(0, 0x4000, 4)}
    wrong: list[object] = []

    def read_all(base: int) -> None:
        with open_region(f"qtest:{stub.path}@{base:#x}+0x1000") as region:
            for _ in range(5):
                words = region.read_words(0, 0x400)
                if words != list(range(base, base + 0x1000, 4)):
                    wrong.append(words)

    with open_region(f"qtest:{stub.path}@0+4"):
        threads = [threading.Thread(target=read_all, args=(0x1000 * n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
    assert not wrong
    assert stub.clients == 1


def test_an_interrupt_wakes_and_is_counted(stub: FakeQtest) -> None:
    name = f"qtest:{stub.path},irq_in=/cpu,line=3@0x1000+0x40"
    with open_region(name) as region:
        assert region.interrupt is not None
        assert not readable(region.interrupt.fileno(), 0)
        stub.say("IRQ raise 3\n")
        assert readable(region.interrupt.fileno(), PATIENCE_S)
        assert region.interrupt.clear() == 1
        assert not readable(region.interrupt.fileno(), 0)
        assert region.interrupt.clear() == 0


def test_an_interrupt_that_comes_with_an_answer_wakes_too(stub: FakeQtest) -> None:
    name = f"qtest:{stub.path},irq_in=/cpu,line=0@0x1000+0x40"
    stub.on_write = lambda address, value: stub.say("IRQ raise 0\nIRQ lower 0\nIRQ raise 0\n")
    with open_region(name) as region:
        assert region.interrupt is not None
        region.write(0, 1, 4)
        assert readable(region.interrupt.fileno(), 0)
        assert region.interrupt.clear() == 2


def test_an_interrupt_right_behind_an_answer_is_not_overlooked(stub: FakeQtest) -> None:
    with open_region(f"qtest:{stub.path},irq_in=/cpu,line=0@0x1000+0x40") as region:
        assert region.interrupt is not None
        stub.order = "little\nIRQ raise 0"  # in one piece, behind the last answer
        region.link.ping()  # type: ignore[attr-defined]
        assert readable(region.interrupt.fileno(), PATIENCE_S)
        assert region.interrupt.clear() == 1


def test_of_many_reports_the_raises_are_counted_and_the_last_ones_hold(stub: FakeQtest) -> None:
    storm = "IRQ raise 0\nIRQ raise 1\nIRQ lower 0\nIRQ toggle 0\nIRQ raise 0 \r\nIRQ lower 0\n"
    stub.on_write = lambda address, value: stub.say(storm * 500)
    with open_region(f"qtest:{stub.path},irq_in=/cpu,line=0@0x1000+0x40") as region:
        assert region.interrupt is not None
        region.write(0, 1, 4)
        assert region.interrupt.clear() == 1000
        region.interrupt.unmask()
        assert not readable(region.interrupt.fileno(), 0)
        assert region.link.raised == {1}  # type: ignore[attr-defined]
        assert region.read(0, 4) == 1


def test_without_epoll_an_interrupt_is_heard_on_either_descriptor(
    stub: FakeQtest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(select, "epoll")
    name = f"qtest:{stub.path},irq_in=/cpu,line=0@0x1000+0x40"
    stub.on_write = lambda address, value: stub.say("IRQ raise 0\n")
    with open_region(name) as region:
        assert region.interrupt is not None
        socket, event = region.interrupt.descriptors()
        stub.say("IRQ raise 0\n")
        assert readable(socket, PATIENCE_S)
        assert region.interrupt.clear() == 1
        region.write(0, 1, 4)
        assert readable(event, 0)
        assert region.interrupt.clear() == 1
        assert not readable(event, 0)


def test_a_line_that_stays_raised_shows_again_at_unmask(stub: FakeQtest) -> None:
    with open_region(f"qtest:{stub.path},irq_in=/cpu,line=0@0x1000+0x40") as region:
        assert region.interrupt is not None
        stub.say("IRQ raise 0\n")
        assert readable(region.interrupt.fileno(), PATIENCE_S)
        region.interrupt.clear()
        region.interrupt.unmask()
        assert region.interrupt.clear() == 1
        stub.say("IRQ lower 0\n")
        assert readable(region.interrupt.fileno(), PATIENCE_S)
        region.interrupt.clear()
        region.interrupt.unmask()
        assert region.interrupt.clear() == 0


def test_lines_of_one_device_are_told_apart(stub: FakeQtest) -> None:
    name = f"qtest:{stub.path},irq_in=/cpu,line="
    with open_region(f"{name}6@0+4") as first, open_region(f"{name}7@0+4") as second:
        assert first.interrupt is not None
        assert second.interrupt is not None
        assert [line.split()[0] for line in stub.asked].count("irq_intercept_in") == 1
        stub.say("IRQ raise 7\n")
        assert readable(second.interrupt.fileno(), PATIENCE_S)
        assert first.interrupt.clear() == 0  # it takes the news for the other one
        assert second.interrupt.clear() == 1


def test_qemu_says_which_device_it_does_not_know(stub: FakeQtest) -> None:
    with pytest.raises(AddressError, match=r"irq_intercept_in /gpu.*Unknown device"):
        open_region(f"qtest:{stub.path},irq_in=/gpu,line=0@0+4")
    machine = Qtest.share(stub.path)
    machine.set_irq_in("/cpu", "cfg", 3, 1)
    machine.intercept_out("/cpu", "sysbus-irq")
    assert stub.asked[-2:] == ["set_irq_in /cpu cfg 3 1", "irq_intercept_out /cpu sysbus-irq"]
    with pytest.raises(AddressError, match="Unknown device"):
        machine.set_irq_in("/gpu", "cfg", 3, 1)
    machine.release()


def test_refusals_and_nonsense_are_errors_and_the_connection_goes_on(stub: FakeQtest) -> None:
    with open_region(f"qtest:{stub.path}@0+4") as region:
        machine = region.link  # type: ignore[attr-defined]
        with pytest.raises(RemoteError, match=r"'bogus' is answered by .FAIL"):
            machine.command("bogus")
        stub.answer = lambda words: "OK gibberish"  # type: ignore[method-assign]
        with pytest.raises(RemoteError, match="are no numbers"):
            region.read(0, 4)


def test_a_machine_of_the_other_byte_order_is_refused(stub: FakeQtest) -> None:
    stub.order = "big"
    with pytest.raises(AddressError, match="big-endian"):
        open_region(f"qtest:{stub.path}@0+4")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("qtest:/nowhere/qtest@0+4", "nobody answers.*-qtest unix:PATH"),
        ("qtest:/nowhere@0", "how large"),
        ("qtest:here@0+4", "neither the path of a socket"),
        ("qtest:/x,line=1@0+4", "takes irq_in= or irq_out=, and line="),
        ("qtest:/x,irq=1@0+4", "no option 'irq=1'; there are: irq_in, irq_out, line"),
    ],
)
def test_an_address_that_leads_nowhere_says_why(name: str, text: str) -> None:
    with pytest.raises((AddressError, RemoteGone), match=text):
        open_region(name)


def test_the_end_of_qemu_is_noticed_by_who_accesses(stub: FakeQtest, region: Region) -> None:
    stub.hang_up()
    with pytest.raises(RemoteGone, match="is gone"):
        region.read(0, 4)
    with pytest.raises(RemoteGone, match="is gone"):
        region.read_words(0, 2)


def test_the_end_of_qemu_is_noticed_by_who_sleeps(stub: FakeQtest) -> None:
    with open_region(f"qtest:{stub.path},irq_in=/cpu,line=0@0+4") as region:
        assert region.interrupt is not None
        stub.hang_up()
        assert readable(region.interrupt.fileno(), PATIENCE_S)
        with pytest.raises(RemoteGone):
            region.interrupt.clear()
        assert readable(region.interrupt.fileno(), 0)  # it stays over
    with open_region(f"qtest:{stub.path}@0+4") as region:
        assert region.read(0, 4) == 0  # a new connection


def test_who_sleeps_hears_of_an_end_that_another_one_met(stub: FakeQtest) -> None:
    with open_region(f"qtest:{stub.path},irq_in=/cpu,line=0@0+4") as region:
        assert region.interrupt is not None
        stub.frozen.set()
        with pytest.raises(RemoteGone):
            region.read(0, 4)
        assert readable(region.interrupt.fileno(), 0)


def test_a_qemu_that_hangs_is_given_up(
    stub: FakeQtest, region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "ANSWER_S", 0.01)
    hold = threading.Event()
    stub.on_write = lambda address, value: hold.wait(PATIENCE_S)
    region.link.socket.settimeout(0.01)  # type: ignore[attr-defined]
    with pytest.raises(RemoteGone, match="does not answer"):
        region.write(0, 1, 4)
    hold.set()
    with pytest.raises(RemoteGone, match="does not answer"):
        region.read(0, 4)


def test_an_answer_that_nothing_asked_for_ends_the_connection(stub: FakeQtest) -> None:
    with open_region(f"qtest:{stub.path},irq_in=/cpu,line=0@0+4") as region:
        assert region.interrupt is not None
        stub.say("OK 0x0\n")
        assert readable(region.interrupt.fileno(), PATIENCE_S)
        with pytest.raises(RemoteGone, match="nothing asked for"):
            region.interrupt.clear()


def test_endless_talk_does_not_fill_the_memory(stub: FakeQtest, region: Region) -> None:
    stub.answer = lambda words: "x" * (4 << 20)  # type: ignore[method-assign]
    with pytest.raises(RemoteGone, match="without end"):
        region.read(0, 4)


def test_ctrl_c_in_an_access_ends_the_connection(stub: FakeQtest, region: QtestRegion) -> None:
    class Interrupted:
        def __init__(self, real: object) -> None:
            self.real = real

        def recv(self, size: int) -> bytes:
            raise KeyboardInterrupt

        def __getattr__(self, name: str) -> object:
            return getattr(self.real, name)

    region.link.socket = Interrupted(region.link.socket)  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        region.read(0, 4)
    with pytest.raises(RemoteGone, match="interrupted in the middle"):
        region.read(0, 4)


def test_a_forked_child_leaves_the_connection_to_its_parent(
    stub: FakeQtest, region: Region
) -> None:
    child = fork()
    if child == 0:
        try:
            region.read(0, 4)
        except RemoteGone:
            region.close()
            os._exit(0)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    region.write(0, 5, 4)
    assert region.read(0, 4) == 5
