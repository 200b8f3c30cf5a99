"""A ping-pong over an AF_UNIX SEQPACKET socket: what a Python user writes first."""

import os
import socket

from benchmarks.processes import python_far_side
from benchmarks.setting import Setting
from benchmarks.timing import time_rounds


def serve(setting: Setting, where: str) -> None:
    """Send everything back."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(os.path.join(where, "socket"))
        listening.listen()
        print("ready", flush=True)
        connection, _ = listening.accept()
        receive, send = connection.recv, connection.send
        while message := receive(65536):
            send(message)


def near(setting: Setting, where: str) -> list[float]:
    """Send bursts and take the answers."""
    message = bytes(setting.size_bytes)
    numbers = range(setting.in_flight)
    with (
        python_far_side(setting, where),
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection,
    ):
        connection.connect(os.path.join(where, "socket"))
        receive, send = connection.recv, connection.send

        def run(bursts: int) -> None:
            for _ in range(bursts):
                for _ in numbers:
                    send(message)
                for _ in numbers:
                    receive(65536)

        return time_rounds(setting, run)
