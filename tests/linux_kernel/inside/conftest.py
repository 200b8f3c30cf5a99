"""One board for all tests, started anew for each."""

from collections.abc import Iterator

import pytest

from tests.linux_kernel.inside.board import Board


@pytest.fixture(scope="session")
def powered() -> Iterator[Board]:
    board = Board()
    yield board
    board.reset()
    board.power_off()


@pytest.fixture
def board(powered: Board) -> Iterator[Board]:
    powered.start()
    yield powered
    powered.reset()
