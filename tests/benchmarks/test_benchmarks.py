"""The benchmarks work; how fast anything is, no test says."""

import os
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import report
from benchmarks.callgrind import by_object
from benchmarks.cases import LOADS, TABLES
from benchmarks.processes import build_c
from benchmarks.results import Results, about
from benchmarks.run import Found, measure_all
from benchmarks.setting import ROOT, Setting
from benchmarks.targets import INSTRUCTIONS, Outcome, outcomes
from mboxio import _build
from tests.tools import tool

pytestmark = pytest.mark.once

CPUS = (1, 0)


def made_up() -> Results:
    """Return results in which everything takes 1 µs, and one cell that failed."""
    settings = [each for table in TABLES for each in table.settings(CPUS)]
    found = {each.key: Found(each, [[1.0, 3.0], [0.5]]) for each in settings}
    failed = found[TABLES[0].setting(LOADS[3], TABLES[0].columns[-1], CPUS).key]
    failed.passes_us, failed.error = [], "it did not start"
    others = {
        "steps": {"C: a fence": 6.0},
        "profile": {case: {"a part": 1000.4, "another": 2} for case in INSTRUCTIONS},
        "memory": 299,
        "importing": 30.0,
        "idle": {"c remote": {"host": (0.5, 3), "remote": (0, 0)}},
    }
    return Results({"day": "today"}, CPUS, found, others)


def test_a_setting_travels_as_text() -> None:
    setting = Setting("seqpacket", "sleep", size_bytes=4096, cpus=(3, 3))
    assert Setting.from_json(setting.to_json()) == setting
    assert not setting.apart


def test_different_settings_have_different_keys() -> None:
    settings = {each for table in TABLES for each in table.settings(CPUS)}
    assert len({each.key for each in settings}) == len(settings)


def test_every_peer_is_there() -> None:
    peers = {column.fields["peer"] for table in TABLES for column in table.columns}
    modules = {path.stem for path in (ROOT / "benchmarks" / "peers").glob("*.py")}
    assert modules == peers | {"__init__"}


def test_results_are_written_and_read(tmp_path: Path) -> None:
    results = made_up()
    results.write(tmp_path / "results.json")
    again = Results.read(tmp_path / "results.json")
    assert again.found == results.found
    assert [each.said() for each in outcomes(again)] == [each.said() for each in outcomes(results)]


def test_targets() -> None:
    verdicts = {each.what: each.met for each in outcomes(made_up())}
    assert verdicts["spinning, 32 B, 1 in flight: mboxio, C remote, against bare C"] is True
    assert (
        verdicts["spinning, 32 B, 1 in flight: the fastest peer against mboxio, Python remote"]
        is False
    )
    assert verdicts["memory of a request in flight"] is True
    assert verdicts["`import mboxio`"] is False
    nothing = Results({}, CPUS)
    assert {each.met for each in outcomes(nothing)} == {None}
    assert Outcome("x", 7.9, 8, at_least=True).said() == ("≥ 8 ×", "7.90 ×", "no")
    assert Outcome("x", 2.0, 3, spread=(1.0, 4.0)).said()[1] == "2.00 × (1.00–4.00)"


def test_ratios_are_those_of_each_pass() -> None:
    """The machine may change between two passes: then both sides of a ratio change with it."""
    setting = Setting("seqpacket")
    slow, fast = Found(setting, [[4.0], [40.0, 44.0]]), Found(setting, [[2.0], [21.0], [5.0]])
    assert slow.ratios(fast) == [2.0, 2.0]


def test_the_tables_fit_the_page(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    shutil.copy(ROOT / "docs" / "performance.md", page)
    assert report.write_docs(made_up(), page) == []
    once = page.read_text()
    assert "| 32 B, 1 in flight | 1.00 (0.50–3.00) |" in once
    assert "| C: a fence | 6 |" in once
    assert "| a part | 1,000 |" in once
    assert "| all of it | 1,002 |" in once
    report.write_docs(made_up(), page)
    assert page.read_text() == once
    page.write_text("nothing")
    assert "spinning" in report.write_docs(made_up(), page)


def test_they_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    report.show(made_up(), Console(width=200))
    shown = capsys.readouterr().out
    assert "Both sides spin, a CPU each" in shown
    assert "not measured: iceoryx_requests" in shown
    assert about()["mboxio"].endswith(f"{_build.name()} build")


@pytest.fixture(scope="module")
def programs() -> None:
    tool("cc")
    build_c()


@pytest.mark.usefixtures("programs")
@pytest.mark.timeout(300)
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="it needs two CPUs")
def test_measuring() -> None:
    """One short round each, with far sides in C and in Python."""
    host, remote = sorted(os.sched_getaffinity(0))[-2:]
    pure = _build.name() == "pure"
    common = {"pure": pure, "rounds": 1, "round_s": 0.001, "in_flight": 4, "replies": "source"}
    settings = [
        Setting(peer, way, remote_kind, cpus=cpus, **common)  # type: ignore[arg-type]
        for peer, way, remote_kind, cpus in (
            ("bare_c", "spin", "", (host, remote)),
            ("mboxio_shm", "spin", "c", (host, remote)),
            ("mboxio_shm", "sleep", "c", (host, host)),
            ("mboxio_shm", "asyncio", "python", (host, host)),
            ("mboxio_rpmsg", "spin", "python", (host, remote)),
            ("seqpacket", "sleep", "", (host, host)),
        )
    ]
    seen: list[Setting] = []
    found = measure_all(settings, 1, seen.append)
    assert seen == settings
    assert {each.setting.key: each.error for each in found.values() if each.error} == {}
    assert all(len(each.rounds_us) == 1 and each.median_us > 0 for each in found.values())


def test_what_fails_stops_nothing() -> None:
    (found,) = measure_all([Setting("nobody")], 2, lambda setting: None).values()
    assert "nobody" in found.error
    assert found.rounds_us == []


def test_instructions_are_those_of_the_object_that_has_them() -> None:
    text = """\
ob=(1) /usr/lib/libc.so.6
fn=(1) memcpy
+3 20
ob=(2) /mboxio/remote/served_channel.so
fn=(2) serve
12 100
cob=(1)
cfn=(1)
calls=1 +4
* 20
+1 7
ob=(1)
fn=(3) malloc
9 4
"""
    assert by_object(text) == {"/usr/lib/libc.so.6": 24, "/mboxio/remote/served_channel.so": 107}
