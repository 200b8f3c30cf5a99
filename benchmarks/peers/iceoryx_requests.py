"""iceoryx2: request and response between two processes, both polling."""

import ctypes
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import iceoryx2 as iox2

from benchmarks.processes import python_far_side
from benchmarks.setting import Setting
from benchmarks.timing import time_rounds


@contextmanager
def service(where: str, size_bytes: int) -> Generator[tuple[Any, Any]]:
    """Open the service of this run; both sides may be first."""

    class Message(ctypes.Structure):
        _fields_ = [("data", ctypes.c_uint8 * size_bytes)]

    iox2.set_log_level(iox2.LogLevel.Error)
    node = iox2.NodeBuilder.new().create(iox2.ServiceType.Ipc)
    yield (
        node.service_builder(iox2.ServiceName.new(where))
        .request_response(Message, Message)
        .max_active_requests_per_client(64)
        .max_loaned_requests(64)
        .open_or_create(),
        Message,
    )


def serve(setting: Setting, where: str) -> None:
    """Send everything back."""
    with service(where, setting.size_bytes) as (opened, _):
        server = opened.server_builder().create()
        print("ready", flush=True)
        receive = server.receive
        while True:
            request = receive()
            if request is not None:
                request.send_copy(request.payload().contents)


def near(setting: Setting, where: str) -> list[float]:
    """Send bursts and take the answers as bytes."""
    data = bytes(setting.size_bytes)
    numbers = range(setting.in_flight)
    with (
        python_far_side(setting, where),
        service(where, setting.size_bytes) as (opened, message_type),
    ):
        client = opened.client_builder().create()
        send, make = client.send_copy, message_type.from_buffer_copy

        def run(bursts: int) -> None:
            for _ in range(bursts):
                for pending in [send(make(data)) for _ in numbers]:
                    while (reply := pending.receive()) is None:
                        pass
                    bytes(reply.payload().contents)

        return time_rounds(setting, run)
