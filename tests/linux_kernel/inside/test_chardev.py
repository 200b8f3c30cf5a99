"""What `rpmsg:` does in each situation, on the real kernel."""

import pytest

from tests.linux_kernel.inside.board import Board
from tests.rpmsg.chardev_cases import CASES, Case


@pytest.mark.parametrize("each", CASES.values(), ids=CASES.keys())
def test_chardev(board: Board, each: Case) -> None:
    each("rpmsg:virtio0", board)
