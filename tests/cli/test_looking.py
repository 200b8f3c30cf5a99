"""``info``, ``list`` and ``bench``."""

import json
import os
import signal
from pathlib import Path

import pytest

import mboxio
from mboxio import _build
from mboxio.cli.commands.measure import Samples
from mboxio.remote import Remote
from tests.cli.conftest import PATIENCE_S, Invoke, Run, Start, one_line

pytestmark = pytest.mark.once  # the command is never compiled


def test_info(invoke: Invoke) -> None:
    found = json.loads(invoke("info", "--json").stdout)
    assert found["version"] == mboxio.__version__
    assert found["build"] == _build.summary()
    assert found["controllers"]["shm"] == "mboxio.controllers.shm:SharedMemory"
    text = invoke("info").stdout
    for each in (_build.summary(), "CPython 3.", "shm:", "loopback:"):
        assert each in text


def test_info_names_the_compiled_modules_when_asked(invoke: Invoke) -> None:
    assert _build.describe() in invoke("info", "--verbose").stdout


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("acme_k7_nowhere:K7", "No module named 'acme_k7_nowhere'"),
        ("acme_k7:Missing", "no attribute 'Missing'"),
        ("acme_k7:NUMBER", "7"),
        ("acme_k7_raises:K7", "no board\\x1b"),
    ],
)
def test_info_marks_a_controller_that_is_broken(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, told: str
) -> None:
    (tmp_path / "acme_k7.py").write_text("NUMBER = 7")
    (tmp_path / "acme_k7_raises.py").write_text("raise SystemExit('no board\\x1b')")
    about = tmp_path / "acme_k7-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-k7\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[mboxio.controllers]\nk7 = {where}\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    result = run("info")
    assert (result.returncode, result.stderr) == (0, b"")
    (line,) = [each for each in result.stdout.decode().splitlines() if "k7" in each]
    assert line.startswith("  k7: ")
    assert f"{where}  (installed: acme-k7)  BROKEN: " in line
    assert told in line
    assert result.stdout.count(b"BROKEN") == 1
    found = json.loads(run("info", "--json").stdout)
    assert list(found["broken"]) == ["k7"]


def test_version(run: Run) -> None:
    result = run("--version")
    assert (result.returncode, result.stdout) == (0, f"mboxio {mboxio.__version__}\n".encode())


def test_list(remote: Remote, invoke: Invoke) -> None:
    lines = [line.split() for line in invoke("list", "shm:t").stdout.splitlines()]
    assert lines == [
        ["number", "channel", "depth", "message", "bytes", "directions"],
        ["0", "echo", "32", "256", "both"],
        ["1", "small", "4", "8", "both"],
        ["2", "mute", "32", "256", "both"],
        ["3", "talk", "8", "256", "listen-only"],
        ["4", "sink", "32", "256", "send-only"],
    ]
    found = json.loads(invoke("list", "shm:t/small", "--json").stdout)
    assert found[1] == {
        "number": 1,
        "channel": "small",
        "depth": 4,
        "message_bytes": 8,
        "send": True,
        "listen": True,
    }


def test_bench(remote: Remote, invoke: Invoke) -> None:
    result = invoke("bench", "shm:t/echo", "--seconds", "0.05", "--in-flight", "1,8,32", "--json")
    found = json.loads(result.stdout)
    assert found["build"] == _build.summary()
    assert found["complete"] is True
    assert [each["in_flight"] for each in found["results"]] == [1, 8, 32]
    for each in found["results"]:
        assert each["requests"] > 0
        assert 0 < each["p50_us"] <= each["p90_us"] <= each["p99_us"] <= each["max_us"]
        assert each["us_per_request"] == pytest.approx(1e6 / each["requests_per_s"], rel=0.01)


def test_bench_goes_up_to_the_depth(remote: Remote, invoke: Invoke) -> None:
    result = invoke("bench", "shm:t/talk", "--seconds", "0.01", "--json")
    assert result.exit_code == 2  # it only listens
    result = invoke("bench", "shm:t/echo", "--seconds", "0.01", "--json")
    found = json.loads(result.stdout)
    assert [each["in_flight"] for each in found["results"]] == [1, 4, 16, 32]
    assert found["what"] == "requests"


def test_bench_without_replies(remote: Remote, invoke: Invoke) -> None:
    result = invoke("bench", "shm:t/sink", "--seconds", "0.01", "--in-flight", "1,4", "--json")
    found = json.loads(result.stdout)
    assert found["what"] == "one-way messages"
    assert all(each["requests"] > 0 for each in found["results"])
    assert remote.stats().messages >= sum(each["requests"] for each in found["results"])


def test_bench_of_a_slow_remote(remote: Remote, invoke: Invoke) -> None:
    """One reply that comes after the time is over still counts."""
    remote.channels["echo"].simulate(0.05, 1)
    result = invoke("bench", "shm:t/echo", "--seconds", "0.01", "--in-flight", "1", "--json")
    (found,) = json.loads(result.stdout)["results"]
    assert found["requests"] == 1
    assert found["max_us"] > 50_000


def small_answers(remote: Remote, times: int) -> None:
    """Have channel small answer so many requests and then no more."""
    left = [times]

    @remote.handler("small")
    def small(message: bytes) -> bytes | None:
        left[0] -= 1
        return message if left[0] >= 0 else None

    # One reply comes after the time of a row is over: a row is one request.
    remote.channels["small"].simulate(0.03, 1)


BENCH_SMALL = ("bench", "shm:t/small", "--size", "8", "--seconds", "0.01")


def test_bench_keeps_the_rows_before_a_failure(remote: Remote, invoke: Invoke) -> None:
    small_answers(remote, 1)
    args = (*BENCH_SMALL, "--in-flight", "1,2", "--timeout-s", "0.3")
    result = invoke(*args)
    assert "timed out" in one_line(result.stderr_bytes)
    assert result.exit_code == 1
    row = result.stdout.splitlines()[2]
    assert row.split()[0] == "1"
    small_answers(remote, 1)
    result = invoke(*args, "--json")
    found = json.loads(result.stdout)
    assert [each["in_flight"] for each in found["results"]] == [1]
    assert found["complete"] is False
    assert result.exit_code == 1


def test_bench_keeps_the_rows_before_an_interrupt(remote: Remote, start: Start) -> None:
    small_answers(remote, 1)
    process = start(*BENCH_SMALL, "--in-flight", "1,2", "--timeout-s", "none")
    while remote.stats().requests < 2:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, stderr) == (130, b"")
    assert stdout.splitlines()[2].split()[0] == b"1"


def test_samples_of_a_long_time_are_spread_evenly() -> None:
    samples = Samples(limit=8)
    for latency_ns in range(1000):
        samples.add(latency_ns)
    assert len(samples.kept) < 8
    assert set(samples.kept) <= set(range(0, 1000, samples.stride))
    result = samples.result(1, 1.0)
    assert (result.requests, result.max_us) == (1000, 0.999)
    assert 0.3 < result.p50_us < 0.7


def test_bench_keeps_to_the_depth(invoke: Invoke) -> None:
    result = invoke("bench", "loopback:?depth=4", "--seconds", "0.02", "--in-flight", "1,8,32")
    assert result.stderr == "mboxio: channel '0' has depth 4: no more are in flight\n"
    head, columns, *rows = result.stdout.splitlines()
    assert head == f"loopback:?depth=4, requests of 32 bytes, {_build.name()} build"
    assert columns.split()[:3] == ["in", "flight", "requests/s"]
    assert [row.split()[0] for row in rows] == ["1", "4"]
