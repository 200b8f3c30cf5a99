"""Programs that some tests need and that not every machine has."""

import os
import shutil

import pytest


def tool(name: str) -> str:
    """Return the path of a program; without it the test is skipped.

    With MBOXIO_EXPECT_TOOLS=1, as `.ci/run` sets it, a program that is missing is a failure.
    """
    path = shutil.which(name)
    if path is not None:
        return path
    if os.environ.get("MBOXIO_EXPECT_TOOLS") == "1":
        pytest.fail(f"{name} is missing: .ci/run names its package")
    pytest.skip(f"{name} is missing")
