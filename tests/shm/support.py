"""Processes under command, traffic that checks every reply, and waits that end."""

import ast
import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from mboxio import AsyncClient, Client, Connection, MailboxError
from mboxio.local.sockets import listen, socket_path

PATIENCE_S = 60.0
"""How long anything may take that has to happen; reached only by a failing test."""
FOLDER = os.path.dirname(__file__)


def answer(message: bytes) -> bytes:
    """What the firmware of these tests replies."""
    return message[::-1]


def numbered(number: int, size: int = 24) -> bytes:
    """Return a message that no other request has."""
    return number.to_bytes(8, "little") + bytes((number + i) & 0xFF for i in range(size - 8))


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"in vain: {what}"
        time.sleep(0.001)


class Program:
    """A script of this folder in a process of its own.

    Args:
        script: its file name.
        argument: its argument, any literal.
    """

    def __init__(self, script: str, argument: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(FOLDER, script), repr(argument)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.received = b""
        self.ended: tuple[int, str] | None = None

    @property
    def pid(self) -> int:
        return self.process.pid

    def line(self) -> str:
        """Return its next line."""
        assert self.process.stdout is not None
        poller = select.poll()
        poller.register(self.process.stdout, select.POLLIN)
        end = time.monotonic() + PATIENCE_S
        while b"\n" not in self.received:
            left_s = end - time.monotonic()
            assert poller.poll(max(left_s, 0) * 1000), "the process says nothing"
            chunk = os.read(self.process.stdout.fileno(), 65536)
            if not chunk:
                raise AssertionError(f"the process ended: {self.end()[1]}")
            self.received += chunk
        line, _, self.received = self.received.partition(b"\n")
        return line.decode()

    def tell(self, *command: Any) -> None:
        """Give it a command, do not wait."""
        assert self.process.stdin is not None
        self.process.stdin.write(repr(command).encode() + b"\n")
        self.process.stdin.flush()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill it and wait for that."""
        self.process.kill()
        self.end()

    def freeze(self) -> None:
        """Stop it and wait until it stands still."""
        self.signal(signal.SIGSTOP)
        _, status = os.waitpid(self.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def end(self) -> tuple[int, str]:
        """Wait for its end; return exit status and standard error."""
        if self.ended is None:
            try:
                _, errors = self.process.communicate(timeout=PATIENCE_S)
            except BaseException:
                self.process.kill()
                self.process.communicate()
                raise
            self.ended = self.process.returncode, errors.decode()
        return self.ended


class FirmwareProcess(Program):
    """The remote of ``shm:name``; see `firmware.Firmware` for the settings and commands."""

    def __init__(self, name: str, channels: dict[str, tuple[int, int]], **settings: Any) -> None:
        super().__init__("firmware.py", {"name": name, "channels": channels, **settings})
        if not settings.get("standby"):
            self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until hosts can connect."""
        try:
            assert self.line() == "ready"
        except BaseException:
            self.kill()
            raise

    def serve(self) -> None:
        """End the standby."""
        self.tell("serve")
        self.wait_ready()

    def outcome(self) -> Any:
        """Return what the last command came to."""
        how, outcome = ast.literal_eval(self.line())
        assert how == "done", outcome
        return outcome

    def do(self, *command: Any) -> Any:
        """Have it do something and return the outcome."""
        self.tell(*command)
        return self.outcome()

    def exit(self) -> None:
        """Have it end by itself."""
        self.tell("exit")
        status, errors = self.end()
        assert (status, errors) == (0, "")


class Traffic:
    """Threads and event loops that make requests until told to stop, and check every reply.

    Args:
        connection: where.
        blocking: a channel for each blocking thread.
        looping: the channels of each event loop, which keeps one request on each of them.
        settings: of the clients.
    """

    def __init__(
        self,
        connection: Connection,
        blocking: tuple[str, ...],
        looping: tuple[tuple[str, ...], ...] = (),
        *,
        tolerate: tuple[type[MailboxError], ...] = (),
        size: int = 24,
        **settings: Any,
    ) -> None:
        self.connection = connection
        self.tolerate = tolerate
        self.size = size
        self.stopping = False
        self.progress = threading.Condition()
        self.right: Counter[str] = Counter()
        self.wrong: list[Any] = []
        self.errors: list[MailboxError] = []
        self.unexpected: list[BaseException] = []
        self.begun = 0
        self.threads = [
            threading.Thread(
                target=self.run, args=(self.block, connection.client(channel, **settings))
            )
            for channel in blocking
        ] + [
            threading.Thread(
                target=self.run,
                args=(self.loop, [connection.async_client(each, **settings) for each in channels]),
            )
            for channels in looping
        ]

    def __enter__(self) -> "Traffic":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        self.stop()
        if kind is None:
            self.check()

    def stop(self) -> None:
        """Let every request end."""
        self.stopping = True
        for thread in self.threads:
            thread.join(PATIENCE_S)
        assert not any(thread.is_alive() for thread in self.threads), "a request never ended"

    def check(self) -> None:
        """Every request ended, each with the reply to its own message or a tolerated error."""
        if self.unexpected:
            raise self.unexpected[0]
        assert not self.wrong, self.wrong[:3]
        assert self.begun == self.right.total() + len(self.errors)

    def advance(self, count: int, *channels: str) -> None:
        """Wait for so many more right replies on each of these channels (all: on any)."""
        with self.progress:
            start = self.right.copy()

            def enough() -> bool:
                if self.unexpected or self.wrong:
                    return True
                if channels:
                    return all(self.right[each] >= start[each] + count for each in channels)
                return self.right.total() >= start.total() + count

            assert self.progress.wait_for(enough, PATIENCE_S), "the traffic stands still"
        if self.unexpected:
            raise self.unexpected[0]
        assert not self.wrong, self.wrong[:3]

    def run(self, way: Any, where: Any) -> None:
        try:
            way(where)
        except BaseException as error:
            with self.progress:
                self.unexpected.append(error)
                self.progress.notify_all()

    def next(self) -> bytes:
        with self.progress:
            self.begun += 1
            return numbered(self.begun, self.size)

    def take(self, channel: str, message: bytes, reply: bytes) -> None:
        with self.progress:
            if reply == answer(message):
                self.right[channel] += 1
            else:
                self.wrong.append((channel, message, reply))
            self.progress.notify_all()

    def fail(self, error: MailboxError) -> None:
        with self.progress:
            # A traceback holds what it saw, and that is what has to go away.
            self.errors.append(error.with_traceback(None))
        if self.stopping:
            return
        if not isinstance(error, self.tolerate):
            raise error

    def block(self, client: Client) -> None:
        with client:
            while not self.stopping:
                message = self.next()
                try:
                    reply = client.request(message)
                except MailboxError as error:
                    self.fail(error)
                    if client._closed:
                        return
                else:
                    self.take(client._channel.name, message, reply)

    def loop(self, clients: list[AsyncClient]) -> None:
        async def one(client: AsyncClient) -> None:
            async with client:
                while not self.stopping:
                    message = self.next()
                    try:
                        reply = await client.request(message)
                    except MailboxError as error:
                        self.fail(error)
                        if client._closed:
                            return
                        await asyncio.sleep(0)
                    else:
                        self.take(client._channel.name, message, reply)

        async def all_of_them() -> None:
            await asyncio.gather(*map(one, clients))

        asyncio.run(all_of_them())


class Impostor:
    """Listens as the remote of ``shm:name`` and gives every host to a function.

    Args:
        name: where to listen.
        greet: gets the connected socket; what it returns is kept until the end.
    """

    def __init__(self, name: str, greet: Callable[[socket.socket], object]) -> None:
        self.name = name
        self.greet = greet
        self.greeted = 0
        self.kept: list[object] = []
        self.sockets: list[socket.socket] = []

    def __enter__(self) -> "Impostor":
        self.path = socket_path(self.name)
        self.listening, self.lock = listen(self.name)
        self.listening.setblocking(True)
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()
        for connection in self.sockets:
            connection.close()
        self.kept.clear()
        os.unlink(self.path)
        self.listening.close()
        os.close(self.lock)

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            self.sockets.append(connection)
            try:
                self.kept.append(self.greet(connection))
            except OSError:
                pass  # the host was faster and went away
            self.greeted += 1
