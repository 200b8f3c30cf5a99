"""Runs the tests of `tests/linux_kernel/inside` in a guest, and tells each failure of there."""

import os
import shlex
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.linux_kernel import build
from tests.linux_kernel.guest import Guest, Result
from tests.tools import lacks

ROOT = Path(__file__).parent.parent.parent
INSIDE = "tests/linux_kernel/inside"
TIMEOUT_S = 300.0
PASSED_ON = ("CI", "MBOXIO_EXPECT_BUILD", "PATH", "PYTHONPATH")


def kernel() -> Path:
    """Return the kernel; without it the test is skipped, see `tests.tools.tool`."""
    found = build.found(os.environ.get("MBOXIO_LINUX", build.PACKAGE))
    if found is None:
        lacks("the Linux kernel (make test-linux builds it)")
    return found


def failures(report: Path) -> list[str]:
    """Return what a report of pytest tells of the tests that did not pass."""
    told = []
    for each in ElementTree.parse(report).iter("testcase"):
        for outcome in (*each.iter("failure"), *each.iter("error"), *each.iter("skipped")):
            told.append(f"{outcome.tag}: {each.get('name')}\n{outcome.text}")
    return told


def run_inside(arguments: str) -> Guest:
    """Return a guest that runs pytest there."""
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return Guest(
        kernel(),
        f"cd {shlex.quote(str(ROOT))} && {shlex.quote(sys.executable)} -m pytest -q --color=no"
        # A board that is stuck makes each further test wait: then it is better to hear why.
        f" -p no:cacheprovider -p no:xdist --maxfail=3 --junitxml=/run/job/report.xml {arguments}",
        {
            **environment,
            "MBOXIO_IN_GUEST": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        timeout_s=TIMEOUT_S,
    )


def require_success(result: Result) -> None:
    """Fail with everything that went wrong in a guest."""
    report = result.folder / "report.xml"
    if not report.exists() or result.status is None:
        pytest.fail(f"the guest did not come to its end:\n{result.console}")
    failed = failures(report)
    assert not failed, "\n\n".join(failed)
    assert result.status == 0, result.console
    assert not result.complaints, result.kernel_log


@pytest.mark.timeout(TIMEOUT_S + 60)
@pytest.mark.once
def test_rpmsg_on_the_real_kernel() -> None:
    arguments = os.environ.get("MBOXIO_GUEST_ARGS", "")
    with run_inside(f"{arguments} {INSIDE}").run() as result:
        require_success(result)
        report = ElementTree.parse(result.folder / "report.xml")
    for each in report.iter("property"):
        print(f"{each.get('name')}: {each.get('value')}")
