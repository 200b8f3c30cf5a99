"""multiprocessing's Pipe, with bytes and without pickling."""

import os
from multiprocessing.connection import Client, Listener

from benchmarks.processes import python_far_side
from benchmarks.setting import Setting
from benchmarks.timing import time_rounds


def serve(setting: Setting, where: str) -> None:
    """Send everything back."""
    with Listener(os.path.join(where, "pipe"), "AF_UNIX") as listening:
        print("ready", flush=True)
        connection = listening.accept()
        receive, send = connection.recv_bytes, connection.send_bytes
        while True:
            send(receive())


def near(setting: Setting, where: str) -> list[float]:
    """Send bursts and take the answers."""
    message = bytes(setting.size_bytes)
    numbers = range(setting.in_flight)
    with (
        python_far_side(setting, where),
        Client(os.path.join(where, "pipe"), "AF_UNIX") as connection,
    ):
        receive, send = connection.recv_bytes, connection.send_bytes

        def run(bursts: int) -> None:
            for _ in range(bursts):
                for _ in numbers:
                    send(message)
                for _ in numbers:
                    receive()

        return time_rounds(setting, run)
