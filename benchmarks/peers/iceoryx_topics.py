"""iceoryx2: two topics, one each way, both sides polling; nothing ties a reply to its request."""

import ctypes
from time import monotonic
from typing import Any

import iceoryx2 as iox2

from benchmarks.processes import python_far_side
from benchmarks.setting import Setting
from benchmarks.timing import time_rounds

PLACES = 64
CONNECT_S = 10.0


def topics(node: Any, where: str, size_bytes: int) -> tuple[Any, Any, Any]:
    """Open both topics; either side may be first."""

    class Message(ctypes.Structure):
        _fields_ = [("data", ctypes.c_uint8 * size_bytes)]

    to_remote, to_host = (
        node.service_builder(iox2.ServiceName.new(f"{where}/{way}"))
        .publish_subscribe(Message)
        .subscriber_max_buffer_size(PLACES)
        .subscriber_max_borrowed_samples(PLACES)
        .enable_safe_overflow(False)
        .open_or_create()
        for way in ("to_remote", "to_host")
    )
    return to_remote, to_host, Message


def new_node() -> Any:
    """Return a node; it must outlive its topics."""
    iox2.set_log_level(iox2.LogLevel.Error)
    return iox2.NodeBuilder.new().create(iox2.ServiceType.Ipc)


def serve(setting: Setting, where: str) -> None:
    """Send everything back."""
    node = new_node()
    to_remote, to_host, _ = topics(node, where, setting.size_bytes)
    receive = to_remote.subscriber_builder().create().receive
    send = to_host.publisher_builder().max_loaned_samples(PLACES).create().send_copy
    print("ready", flush=True)
    while True:
        sample = receive()
        if sample is not None:
            send(sample.payload().contents)


def near(setting: Setting, where: str) -> list[float]:
    """Send bursts and take the answers as bytes."""
    data = bytes(setting.size_bytes)
    numbers = range(setting.in_flight)
    node = new_node()
    to_remote, to_host, message = topics(node, where, setting.size_bytes)
    receive = to_host.subscriber_builder().create().receive
    publisher = to_remote.publisher_builder().max_loaned_samples(PLACES).create()
    send, make = publisher.send_copy, message.from_buffer_copy

    def take() -> None:
        while (sample := receive()) is None:
            pass
        bytes(sample.payload().contents)

    def run(bursts: int) -> None:
        for _ in range(bursts):
            for _ in numbers:
                send(make(data))
            for _ in numbers:
                take()

    with python_far_side(setting, where):
        # A message of before the two have found each other is lost.
        until_s = monotonic() + CONNECT_S
        while True:
            send(make(data))
            if any(receive() is not None for _ in range(10_000)):
                break
            if monotonic() > until_s:
                raise RuntimeError("the two sides do not find each other")
        while any(receive() is not None for _ in range(100_000)):
            pass
        return time_rounds(setting, run)
