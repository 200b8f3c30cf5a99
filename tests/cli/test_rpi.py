"""``rpi`` on a VideoCore in this process, and ``demo rpi`` where there is no QEMU."""

import json
from collections.abc import Iterator

import pytest

from mboxio.address import catalogue
from mboxio.controllers.bcm2835 import Bcm2835, Bcm2835Options
from mboxio.regions.pool import Pool
from mboxio.sim.videocore import VideoCore
from tests.cli.conftest import Invoke, Run, one_line

ADDRESS = "fakepi:"
cores: list[VideoCore] = []


def fake_pi(name: str, options: Bcm2835Options) -> Bcm2835:
    """A controller over the VideoCore of the test."""
    core = cores[-1]
    pool = Pool(core.memory, core.bus_address, slot_bytes=256, count=8)
    return Bcm2835(name, options, region=core.registers, pool=pool)


fake_pi.Options = Bcm2835Options  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def core(monkeypatch: pytest.MonkeyPatch) -> Iterator[VideoCore]:
    made = VideoCore()
    cores.append(made)
    monkeypatch.setattr(
        catalogue,
        "load",
        lambda name, real=catalogue.load: fake_pi if name == "fakepi" else real(name),
    )
    yield made
    cores.clear()


def test_the_overview(invoke: Invoke) -> None:
    result = invoke("rpi", ADDRESS)
    assert result.exit_code == 0, result.output
    lines = {line[:24].strip(): line[24:].strip() for line in result.output.splitlines()}
    found = {" ".join(line.split()) for line in result.output.splitlines()}
    assert lines
    assert {
        "firmware revision 0x64b20e10",
        "board revision 0xa02082",
        "MAC address b8:27:eb:01:23:45",
        "ARM memory 948 MiB at 0x0",
        "ARM clock 600 MHz",
        "temperature 48.3 °C",
        "CORE voltage 1.2 V",
        "throttled under voltage + throttled + was under voltage + was throttled",
        "USB_HCD power on",
    } <= found


def test_values_by_name_and_as_json(invoke: Invoke, core: VideoCore) -> None:
    core.values[0x777] = b"\x01\x02"
    del core.values[0x30046]
    names = ["mac", "memory", "throttled", "command-line", "voltages"]
    result = invoke("rpi", ADDRESS, *names, "--tag", "0x777=0a0b", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert found["MAC address"] == "b8:27:eb:01:23:45"
    assert found["ARM memory"] == {"base": 0, "size_bytes": 948 << 20}
    assert found["throttled"] is None
    assert found["command line"].startswith("console=serial0")
    assert found["tag 0x00000777"] == "0102"
    assert len([name for name in found if name.endswith("voltage")]) == 4


def test_what_does_not_fit_one_message_goes_in_several(invoke: Invoke, core: VideoCore) -> None:
    assert invoke("rpi", ADDRESS, "clocks", "power", "voltages").exit_code == 0
    assert len(core.taken) > 1


def test_tags_that_run_code_want_a_word(invoke: Invoke, core: VideoCore) -> None:
    result = invoke("rpi", ADDRESS, "--tag", "0x30010=00")
    assert result.exit_code == 2
    assert "has the GPU run what it is given: allow 'execute-code' if you mean it" in result.output
    assert len(result.output.splitlines()) == 1
    assert core.taken == []
    core.values[0x30010] = bytes(4)
    result = invoke("rpi", ADDRESS, "--tag", "0x30010=00", "--allow-tag", "execute-code")
    assert (result.exit_code, result.output.split()) == (0, ["tag", "0x00030010", *["00"] * 4])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["colour"], "no value 'colour'; there are: firmware"),
        (["--tag", "x"], "NUMBER or NUMBER=HEX"),
        (["--tag", "0x1=zz"], "NUMBER or NUMBER=HEX"),
        (["--tag", "0"], "NUMBER or NUMBER=HEX"),
        (["vcio:?device=/nowhere/vcio"], "this is no Raspberry Pi"),
        (["bcm2835:"], "say where: ?at=REGION"),
        (["nothing:"], "no controller 'nothing'"),
    ],
)
def test_mistakes_get_one_line(invoke: Invoke, arguments: list[str], says: str) -> None:
    result = invoke("rpi", *arguments)
    assert result.exit_code == 2
    assert says in result.output
    assert len(result.output.splitlines()) == 1


def test_the_firmware_may_refuse(invoke: Invoke, core: VideoCore) -> None:
    core.fails = True
    result = invoke("rpi", ADDRESS)
    assert result.exit_code == 1
    assert "could not read the request" in result.output


def test_the_demo_says_what_it_needs(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    result = invoke("demo", "rpi")
    assert result.exit_code == 1
    assert result.output.strip() == (
        "mboxio: this needs qemu-system-aarch64:"
        " apt-get install --no-install-recommends qemu-system-arm"
    )


def test_a_device_that_is_late(run: Run) -> None:
    result = run("rpi", "vcio:?device=/dev/none", "--wait", "0.01")
    assert one_line(result.stderr).endswith(" s for it")
    assert result.returncode == 2
