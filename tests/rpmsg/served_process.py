"""A processor in a process of its own: ``python served_process.py ADDRESS``.

It ends with its input, so it never outlives who started it. Each line of that is a command and is
answered by one: ``service NAME``, ``withdraw NAME``.
"""

import sys

from mboxio.remote.rpmsg import RpmsgRemote
from mboxio.remote.rpmsg.services import RpmsgService


def main(address: str) -> None:
    remote = RpmsgRemote(address)
    services: dict[str, RpmsgService] = {}
    remote.service("reverse", lambda message: message[::-1])
    remote.service("slow", latency_s=500e-6, workers=8)
    with remote:
        print("ready", flush=True)
        for line in sys.stdin:
            command, name = line.split()
            if command == "service":
                services[name] = remote.service(name)
            else:
                services.pop(name).withdraw()
            print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
