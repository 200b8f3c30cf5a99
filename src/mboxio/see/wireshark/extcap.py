"""What Wireshark starts to capture live traffic: ``python -m mboxio.see.wireshark.extcap``.

Wireshark asks it for its interface and its options, shows them, and then has it write a capture
into a FIFO. See extcap(4).
"""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType

from mboxio import __version__
from mboxio._base.texts import printable
from mboxio.capture.layout import LINK_TYPE

__all__ = ["INTERFACE", "RECORD", "capture", "main"]

INTERFACE = "mboxio"
STDOUT = 1
WRONG, FAILED = 2, 1
RECORD = (sys.executable, "-P", "-m", "mboxio", "record", "-o", "-")
"""What records to stdout; the address follows."""
INTERFACES = f"""\
extcap {{version={__version__}}}{{display=mboxio}}
interface {{value={INTERFACE}}}{{display=Mailbox traffic}}"""
DLTS = f"dlt {{number={LINK_TYPE}}}{{name={INTERFACE}}}{{display=Mailbox messages}}"
CONFIG = (
    "arg {number=0}{call=--address}{display=Address}{type=string}{required=true}"
    "{placeholder=shm:demo}{tooltip=What to record: see mboxio record --help}"
)


def capture(fifo: str, address: str) -> int:
    """Record an address into a FIFO, until Wireshark ends it; returns an exit code.

    Wireshark takes all that is on stderr for an error, so only a failure's text gets there.

    Args:
        fifo: of Wireshark.
        address: what is recorded.

    Raises:
        OSError: the FIFO cannot be opened, or the program not be started.
    """
    ends: list[int] = []
    processes: list[subprocess.Popen[bytes]] = []

    def end(number: int, frame: FrameType | None) -> None:
        ends.append(number)
        for process in processes:
            process.terminate()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    _open(fifo)
    with subprocess.Popen([*RECORD, address], stderr=subprocess.PIPE) as process:
        processes.append(process)
        if ends:
            process.terminate()
        _, said = process.communicate()
    if process.returncode and not ends:
        sys.stderr.buffer.write(said)
        return FAILED
    return 0


def _open(fifo: str) -> None:
    """Make the FIFO our stdout: however this process ends, Wireshark waits no longer then."""
    descriptor = os.open(fifo, os.O_WRONLY)
    os.dup2(descriptor, STDOUT)
    os.close(descriptor)


def main(args: Sequence[str] | None = None) -> int:
    """Answer Wireshark, or record; returns the exit code.

    Args:
        args: of the command line; None: those of this process.
    """
    parser = argparse.ArgumentParser(prog="mboxio-extcap", allow_abbrev=False)
    for name in ("interfaces", "dlts", "config"):
        parser.add_argument(f"--extcap-{name}", action="store_true")
    parser.add_argument("--extcap-interface", metavar="NAME")
    parser.add_argument("--capture", action="store_true")
    parser.add_argument("--fifo", metavar="PATH")
    parser.add_argument("--address", default="")
    # A later Wireshark may ask for more, which is no reason to fail.
    asked, _ = parser.parse_known_args(args)
    if asked.extcap_interfaces:
        print(INTERFACES)
        return 0
    if asked.extcap_interface != INTERFACE:
        return _fail("this program is for Wireshark, which asks for the interface 'mboxio'")
    if asked.extcap_dlts:
        print(DLTS)
    elif asked.extcap_config:
        print(CONFIG)
    elif asked.capture:
        if not asked.fifo:
            return _fail("Wireshark names no --fifo")
        try:
            address = asked.address.strip()
            # What is no address, mboxio record would take for an option or run as a command.
            if ":" not in address or address.startswith("-") or os.path.exists(address):
                _open(asked.fifo)
                return _fail(
                    f"{printable(address)!r} is no address to record, such as shm:demo: set it in"
                    " the options of the interface"
                )
            return capture(asked.fifo, address)
        except OSError as error:
            return _fail(f"{error.filename or RECORD[0]}: {error.strerror}")
    return 0


def _fail(why: str) -> int:
    print(f"mboxio: {why}", file=sys.stderr)
    return WRONG


if __name__ == "__main__":
    sys.exit(main())
