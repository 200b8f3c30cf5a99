"""Firmware with three channels: mboxio serve shm:demo firmware.py"""

from collections.abc import Callable

from mboxio import RemoteError
from mboxio.remote import Remote

remote = Remote("demo")
commands: dict[bytes, Callable[[], bytes]] = {b"version": lambda: b"1.0", b"uptime": lambda: b"7"}


@remote.handler("control", latency_s=0.0005, workers=8)
def control(message: bytes) -> bytes:
    if message not in commands:
        raise RemoteError("no such command", status=22)
    return commands[message]()


@remote.handler("sensor")
def sensor(message: bytes) -> bytes:
    for degrees in range(int(message)):  # that many unsolicited messages
        remote.notify("sensor", f"{degrees + 40} degrees".encode())
    return b"ok"


remote.channel("echo", depth=32, message_bytes=4096)
remote.handler("echo")(bytes)
