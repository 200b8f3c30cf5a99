"""The remote processor of the guest: sysfs, and the process that is its firmware."""

import subprocess
import sys
from pathlib import Path

from mboxio.remote.rpmsg.layout import firmware_image
from tests.linux_kernel.inside import firmware
from tests.linux_kernel.inside.until import until

IMAGE = Path("/run/rproc-py.elf")
CONTROL = Path("/sys/class/remoteproc/remoteproc0")
SERVICES = Path("/sys/bus/rpmsg/devices")


class Board:
    """A remote processor that can be told what to do; see `tests.rpmsg.chardev_cases.Processor`."""

    root = Path("/")

    def __init__(self) -> None:
        IMAGE.write_bytes(firmware_image(firmware.LAYOUT))
        self.power_on()

    def power_on(self) -> None:
        """Start the process that is the processor."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", firmware.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._tell("linked")

    def power_off(self) -> None:
        """End it: to Linux that is a crash if it was running."""
        self.process.kill()
        with self.process:
            self.process.wait()

    def _tell(self, command: str, *words: object) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(" ".join(map(str, (command, *words))) + "\n")
        answer = self.process.stdout.readline().strip()
        assert answer.isdigit(), f"{command}: the firmware said {answer!r}"
        return int(answer)

    # -- the firmware

    def hold(self) -> None:
        self._tell("hold")

    def go(self) -> None:
        self._tell("go")

    def announce(self, name: str, address: int) -> None:
        self._tell("announce", name, address)
        until(lambda: self._service(name, address), f"{name} is not there")

    def destroy(self, name: str, address: int) -> None:
        self._tell("destroy", name, address)
        until(lambda: not self._service(name, address), f"{name} stays")

    def say(self, src: int, dst: int, text: str) -> None:
        assert self._tell("say", src, dst, text) == 1

    def flood(self, src: int, dst: int, count: int) -> None:
        assert self._tell("flood", src, dst, count) == count

    def leak(self) -> None:
        assert self._tell("leak") == 1

    def lives(self) -> int:
        """Return in which life the firmware is; 0: it has no link."""
        return self._tell("linked")

    def crash(self) -> None:
        """Crash; return when it is running again, or crashed if that is how it stays."""
        before = self.lives()
        self._tell("crash")
        if self._read("recovery") == "enabled":
            until(lambda: self.lives() > before, "it was not started again")
            self._await_service()
        else:
            until(lambda: self._read("state") == "crashed", "it did not crash")

    # -- Linux

    def _read(self, name: str) -> str:
        return (CONTROL / name).read_text().strip()

    def _write(self, name: str, text: str) -> None:
        (CONTROL / name).write_text(text)

    @staticmethod
    def _service(name: str, address: int) -> bool:
        for each in SERVICES.iterdir():
            try:
                found = (each / "name").read_text().strip(), int((each / "dst").read_text(), 0)
            except OSError:  # no such file, or no such device where the file was open already
                continue  # it went at this moment
            if found == (name, address):
                return True
        return False

    def _await_service(self) -> None:
        until(self.lives, "the firmware has no link")
        until(lambda: self._service("rpmsg-raw", 0x400), "no service is announced")
        until(lambda: any(Path("/dev").glob("rpmsg[0-9]*")), "there is no device file")

    def set_recovery(self, enabled: bool) -> None:
        self._write("recovery", "enabled" if enabled else "disabled")

    def recover(self) -> None:
        self._write("recovery", "recover")
        self._await_service()

    def start(self) -> None:
        self._write("state", "start")
        self._await_service()

    def stop(self) -> None:
        self._write("state", "stop")

    def reset(self) -> None:
        """Be stopped, whatever it was."""
        self.set_recovery(True)
        if self._read("state") != "offline":
            self.stop()
