"""pyzmq: a PAIR of sockets over ipc."""

import os

import zmq

from benchmarks.processes import python_far_side
from benchmarks.setting import Setting
from benchmarks.timing import time_rounds


def serve(setting: Setting, where: str) -> None:
    """Send everything back."""
    with zmq.Context() as context, context.socket(zmq.PAIR) as pair:
        pair.bind("ipc://" + os.path.join(where, "pair"))
        print("ready", flush=True)
        receive, send = pair.recv, pair.send
        while True:
            send(receive())


def near(setting: Setting, where: str) -> list[float]:
    """Send bursts and take the answers."""
    message = bytes(setting.size_bytes)
    numbers = range(setting.in_flight)
    with (
        python_far_side(setting, where),
        zmq.Context() as context,
        context.socket(zmq.PAIR) as pair,
    ):
        pair.connect("ipc://" + os.path.join(where, "pair"))
        receive, send = pair.recv, pair.send

        def run(bursts: int) -> None:
            for _ in range(bursts):
                for _ in numbers:
                    send(message)
                for _ in numbers:
                    receive()

        return time_rounds(setting, run)
