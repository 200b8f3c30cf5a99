"""What the kernel's own code did happens on `mboxio.linux`, at the same time, in the same order."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.replay import main, mismatch_of, traces

FOLDER = Path(__file__).parent / "traces"
FILES = sorted([*FOLDER.glob("*.json"), *FOLDER.glob("*.jsonl")])
ALL = [trace for path in FILES for trace in traces(path)]
TRUTH = [trace for trace in ALL if "kernel_bug" not in trace]


def named(name: str) -> Any:
    """Return a copy of a trace."""
    return copy.deepcopy(next(trace for trace in ALL if trace["name"] == name))


def test_the_traces_are_all_there() -> None:
    assert (len(ALL), len(TRUTH)) == (317, 261)


@pytest.mark.parametrize("trace", TRUTH, ids=lambda trace: trace["name"])
def test_a_trace_is_followed(trace: Any) -> None:
    assert mismatch_of(trace) is None


@pytest.mark.parametrize(
    ("name", "step", "path", "value"),
    [
        ("block-irq", 3, ["ret"], 1),
        ("block-irq", 3, ["t"], 8),
        ("block-irq", 3, ["events", 1, "t"], 1),
        ("block-irq", 3, ["events", 1, "ret"], "EIO"),
        ("queue-order-callbacks", 2, ["state", "M", "chans", 0, "queued"], 1),
        ("poll-basic", 2, ["state", "M", "poll_timer"], 5),
        ("req-out-of-order", 2, ["blocked"], []),
        ("poll-queue", 3, ["ret"], True),
        ("queue-order-callbacks", 2, ["state", "M", "chans", 0, "queued"], False),
    ],
)
def test_a_difference_is_found(name: str, step: int, path: list[Any], value: Any) -> None:
    trace = named(name)
    place = trace["steps"][step]["expect"]
    for key in path[:-1]:
        place = place[key]
    assert json.dumps(place[path[-1]]) != json.dumps(value)
    place[path[-1]] = value
    mismatch = mismatch_of(trace)
    assert mismatch is not None
    assert mismatch.startswith(f"step {step} ")


def test_an_event_that_did_not_happen_is_missed() -> None:
    trace = named("block-irq")
    trace["steps"][3]["expect"]["events"].append({"t": 7, "ev": "shutdown", "chan": "M/0"})
    mismatch = mismatch_of(trace)
    assert mismatch is not None
    assert mismatch.endswith("seen null")


def test_the_end_is_compared() -> None:
    for key, value in (("t", 11), ("blocked_threads", ["T1"]), ("pending_at", 1)):
        trace = named("block-irq")
        trace["final"][key] = value
        mismatch = mismatch_of(trace)
        assert mismatch is not None
        assert mismatch.startswith(f"final, {key}: expected ")


def test_the_command_counts_and_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = named("block-irq")
    wrong["steps"][3]["expect"]["t"] = 8
    lines = tmp_path / "some.jsonl"
    some = [named("block-irq"), wrong, named("bug-L8-block-stolen-completion")]
    lines.write_text("\n".join(json.dumps(each) for each in some) + "\n")
    assert main([str(lines), str(FOLDER / "poll-basic.json")]) == 1
    mismatch, skipped, last = capsys.readouterr().out.splitlines()
    assert mismatch == "block-irq: step 3 (send), t: expected 8, seen 7"
    assert skipped.startswith("1 traces with kernel_bug skipped")
    assert last == "2 passed, 1 failed"


def test_what_crashed_the_kernel_has_to_crash_here() -> None:
    trace = named("block-irq")
    trace["steps"][3]["expect"]["outcome"] = "crash"
    assert mismatch_of(trace) == "step 3 (send): expected crash, seen to go on"


WHOLE = json.dumps(named("block-irq"))


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.json", "", "{}: empty, no trace in it"),
        ("a.jsonl", "\n\n", "{}: empty, no trace in it"),
        ("a.json", WHOLE[:300], "{}: no JSON: "),
        ("a.jsonl", WHOLE + "\n" + WHOLE[:300] + "\n", "{}, line 2: no JSON: "),
        ("a.json", "[]", "{}: no trace: its format is null, not 'mbox-trace-1'"),
        ("a.json", WHOLE.replace("mbox-trace-1", "2"), '{}: no trace: its format is "2", not '),
        ("a.json", WHOLE.replace('"steps"', '"stops"'), "{}: a damaged trace: 'steps' is missing"),
        ("a.json", WHOLE.replace('"expect"', '"?"'), "{}: a damaged trace: a step without"),
        ("a.json", WHOLE.replace('"final"', '"?"'), "{}: a damaged trace: it has no end"),
        ("a.json", WHOLE.replace('"num_chans"', '"?"'), "block-irq: raised KeyError('num_chans')"),
        ("a.json", WHOLE.replace('"op": "register"', '"op": "?"'), "block-irq: step 0 (?), ret: "),
        ("a.json", b"\xff\xfe\x00", "{}: no text"),
        ("there is none.json", None, "{}: No such file or directory"),
        (".", None, "{}: Is a directory"),
    ],
)
def test_what_is_no_trace_fails_in_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    text: str | bytes | None,
    told: str,
) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert main([str(path)]) == 1
    line, last = capsys.readouterr().out.splitlines()
    assert line.startswith(told.format(path))
    assert last.endswith("passed, 1 failed")


def test_it_is_a_command() -> None:
    command = [sys.executable, str(FOLDER.parent / "replay.py"), *map(str, FILES)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.splitlines()[-1] == f"{len(TRUTH)} passed, 0 failed"
