"""What type checkers say of programs and drivers that use mboxio."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

import mboxio

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
EACH_NAME = "\n".join(f"from mboxio import {name} as _{name}" for name in mboxio.__all__)
USES = f"""
import mboxio
from mboxio import Capabilities, Controller, Outcome
{EACH_NAME}
from mboxio import nonsense  # error
from mboxio import Conection  # error

mboxio.nonsense  # error


class Board(Controller):
    def open(self) -> None:
        queue = self.add_queue(Capabilities(depth=4))
        reveal_type(queue)  # is DriverQueue
        channel = self.add_channel("power", queue)
        reveal_type(channel)  # is DriverChannel
        reveal_type(channel.queue)  # is DriverQueue
        reveal_type(channel.number)  # is int
        self.add_channel("power", 7)  # error
        self.tx_done(queue, 1)
        self.received(channel, [b""])
        self.received(7, [b""])  # error
        self.complete(channel, 1, 0, None)  # error

    def send(self, channel: int, handle: int, message: bytes) -> Outcome:  # error
        raise NotImplementedError

    def service(self, queue: bytes, why: str) -> None:  # error
        raise NotImplementedError


def program(connection: mboxio.Connection, memory: bytearray, maybe: bytearray | None) -> None:
    client = connection.client("power", timeout_s=None)
    reveal_type(client)  # is Client
    reveal_type(client.request(b""))  # is bytes
    reveal_type(client.request(b"", into=memory))  # is int
    reveal_type(client.request(b"", into=maybe))  # is bytes | int
    reveal_type(client.submit(b""))  # is Request[bytes]
    reveal_type(client.submit(b"", into=memory))  # is Request[int]
    reveal_type(client.submit(b"").result())  # is bytes
    reveal_type(client.post(b""))  # is Request[bytes]
    reveal_type(client.send(b""))  # is None
    reveal_type(client.ring())  # is None
    reveal_type(client.subscribe())  # is Messages
    reveal_type(client.subscribe().get())  # is bytes
    reveal_type(connection.stats()["power"].sent)  # is int
    client.request("text")  # error
    client.request(b"", timeout=1)  # error
    client.submit(b"", into=b"", backlog=1)  # error
    client.reqest(b"")  # error
    connection.client("power", timeout_s="1")  # error


async def asynchronous(connection: mboxio.Connection) -> None:
    client = connection.async_client("power")
    reveal_type(client)  # is AsyncClient
    reveal_type(await client.request(b""))  # is bytes
    reveal_type(await client.send(b""))  # is None
    reveal_type(client.submit(b""))  # is Request[bytes]
    reveal_type(await client.submit(b""))  # is bytes
    reveal_type(await client.subscribe().get())  # is bytes
    await client.request(7)  # error
    len(client.request(b""))  # error
"""


def run_mypy(folder: Path) -> list[tuple[int, str]]:
    """Return lines and texts of what mypy says."""
    done = run("mypy", "--config-file", str(ROOT / "pyproject.toml"), str(folder / "uses.py"))
    return [
        (int(line), text)
        for line, text in re.findall(r"uses\.py:(\d+): (?:error|note): (.*)", done)
    ]


def run_pyright(folder: Path) -> list[tuple[int, str]]:
    """Return lines and texts of what pyright says."""
    settings = {"include": ["uses.py"], "extraPaths": [str(ROOT / "src")]}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    found = json.loads(run("pyright", "--outputjson", "--project", str(folder)))
    return [
        (each["range"]["start"]["line"] + 1, each["message"].splitlines()[0])
        for each in found["generalDiagnostics"]
        if each["severity"] in ("error", "information")
    ]


def run(checker: str, *arguments: str) -> str:
    """Return what a checker says, which ends with 1 if it finds errors."""
    command = [sys.executable, "-m", checker, *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=False, text=True)
    assert done.returncode in (0, 1), done.stdout
    return done.stdout


def shown(kind: str) -> str:
    """Return the name of a type, which each checker writes in its own way."""
    return re.sub(r"\b(?:\w+\.)+", "", kind)


@pytest.mark.parametrize("checker", [run_mypy, run_pyright])
def test_what_checkers_say(
    checker: Callable[[Path], list[tuple[int, str]]], tmp_path: Path
) -> None:
    if find_spec(checker.__name__.removeprefix("run_")) is None:
        pytest.skip("not installed")
    (tmp_path / "uses.py").write_text(USES)
    errors: set[str] = set()
    revealed: dict[str, str] = {}
    lines = USES.splitlines()
    for number, text in checker(tmp_path):
        line = lines[number - 1].strip()
        reveals = re.fullmatch(r'(?:Revealed type is|Type of ".*" is) "(.*)"', text)
        if reveals:
            revealed[line] = shown(reveals[1])
        else:
            errors.add(line)
    assert errors >= {line.strip() for line in lines if line.endswith("# error")}
    assert {line for line in errors if not line.endswith("# error")} == set()
    promised = [line.strip().split("  # is ") for line in lines if "  # is " in line]
    assert revealed == {f"{code}  # is {kind}": kind for code, kind in promised}
