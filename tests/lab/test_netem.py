"""A gateway behind a bad line, for a moment; `make netem` takes longer."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.docs.pages import ROOT
from tests.lab.netem import IMPOSSIBLE
from tests.tools import lacks, tool


@pytest.mark.once
def test_every_request_ends_and_has_its_own_reply() -> None:
    for name in ("unshare", "ip", "openssl"):
        tool(name)
    if find_spec("grpc") is None:
        lacks("grpc")
    command = [sys.executable, "-m", "tests.lab.netem", "0.05"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.stdout.startswith(IMPOSSIBLE):
        pytest.skip(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
