"""The path of a request in instructions, which repeat where times do not."""

import os
import re

import pytest

from benchmarks import profile
from benchmarks.processes import build_c
from benchmarks.setting import ROOT
from mboxio import _build
from tests.tools import tool

ORDINARY = tuple(
    f"OrdinaryShortcut_{name}"
    for name in (
        *("count", "end", "enter", "fits", "free", "held_at", "is_awaited"),
        *("may_come", "nothing_disturbs", "now_ns", "others_come_first", "places"),
    )
)
HOT = {
    "client/mapping": ("Replies__reply", "Flow__fill", "Flow__is_low"),
    "client/sending": ("Sender__shortly",),
    "controllers/ring_shortcut": (
        *("RingShortcut_fill", "RingShortcut_is_ordinary", "RingShortcut_vacancies"),
        *("RingShortcut_look", "RingShortcut_put", "RingShortcut_submit", "RingShortcut_take"),
        *ORDINARY,
        *("Mutex_give", "Mutex_take", "RingShortcut_handles", "again", "renew"),
    ),
    "controllers/virtio_rpmsg/shortcut": (
        *("RpmsgShortcut_asked_by", "RpmsgShortcut_came_back", "RpmsgShortcut_fill"),
        *("RpmsgShortcut_is_ordinary", "RpmsgShortcut_lives", "RpmsgShortcut_offer"),
        *("RpmsgShortcut_look", "RpmsgShortcut_vacancies"),
        *("RpmsgShortcut_submit", "RpmsgShortcut_take"),
        *ORDINARY,
        "Mutex_take",
    ),
    "_base/recycled": ("recycle", "spare"),
    "_queue/held": ("Held_free",),
}
MOST = {
    "submit + result, 32 in flight": 1_600,
    "map, window 32": 1_000,
    "request, 1 in flight": 1_550,
}
"""Some more than was measured with Python 3.11; without its short way a request takes 3,000."""
BURSTS = 40

needs_release = pytest.mark.skipif(not _build.optimized(), reason="only a release's build counts")


@needs_release
@pytest.mark.once
@pytest.mark.parametrize("module", HOT)
def test_hot_functions_make_no_python_integers(module: str) -> None:
    """A number above 2³¹, or one name without a type, costs hundreds of instructions unseen."""
    file = ROOT / "build" / "cython" / "src" / "mboxio" / f"{module}.c"
    if not file.exists():
        pytest.skip("not built here")
    text = file.read_text()
    for name in HOT[module]:
        body = re.search(rf"^static [^;=\n]*[_\d]{name}\([^;\n]*\) {{\n(.*?)^}}", text, re.M | re.S)
        assert body, f"{module}.c has no {name}"
        # Items of lists name a function for indices that are none.
        lines = "\n".join(line for line in body[1].splitlines() if "ItemInt(" not in line)
        made = re.findall(r"PyLong_From\w+|PyObject_RichCompare\w*|__Pyx_PyLong_\w+", lines)
        assert not made, f"{name} makes Python integers: {made}"


@needs_release
@pytest.mark.once
@pytest.mark.timeout(300)
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="it needs two CPUs")
def test_a_request_takes_no_more_instructions_than_before() -> None:
    valgrind = tool("valgrind")
    tool("cc")
    build_c()
    parts = profile.parts(valgrind, tuple(MOST), BURSTS)
    counts = {case: sum(of.values()) for case, of in parts.items()}
    assert not {case for case, most in MOST.items() if counts[case] > most}, parts
