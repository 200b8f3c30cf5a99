"""Gateways and users in processes of their own."""

import os
import pwd
import subprocess
import sys
from typing import Any

from tests.shm.support import Program

USER = """
import sys, mboxio
number = 0
with mboxio.open(sys.argv[1], timeout_s=20, queue_timeout_s=20) as client:
    while True:
        pending = [client.submit(n.to_bytes(8, "little")) for n in range(number, number + 8)]
        for n, request in enumerate(pending, number):
            assert request.result() == n.to_bytes(8, "little")[::-1]
        number += 8
        print(number, flush=True)
"""
"""A program that asks and asks, and says how far it is."""


class Python(Program):
    """A Python with these arguments."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.received = b""
        self.ended = None


def myself() -> str:
    """Return the name of this user, as whom a gateway may serve even if it is root."""
    return pwd.getpwuid(os.geteuid()).pw_name


def gateway(*arguments: Any, board: str = "shm:t") -> Python:
    """Start ``mboxio gateway`` and wait until it serves."""
    more = [str(each) for each in arguments]
    started = Python("-m", "mboxio", "gateway", board, "--as", "board", "--user", myself(), *more)
    try:
        assert started.line().startswith("serving")
    except BaseException:
        started.kill()
        raise
    return started
