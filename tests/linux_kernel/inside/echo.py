"""A program for a guest without our module: an echo through /dev/rpmsg0 with system calls alone."""

import os
import select
from pathlib import Path

from tests.linux_kernel.inside.until import until

TRIPS = 300
NODE = Path("/dev/rpmsg0")


def main() -> None:
    until(NODE.exists, "there is no device file")
    descriptor = os.open(NODE, os.O_RDWR | os.O_NONBLOCK)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    for number in range(TRIPS):
        os.write(descriptor, b"%d" % number)
        poll.poll()
        read = os.read(descriptor, 512)
        assert read == b"%d" % number, (number, read)
    print(f"{TRIPS} round trips")


if __name__ == "__main__":
    main()
