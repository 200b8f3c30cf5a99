"""Many users of one gateway; how many and how fast, `benchmarks.lab.sharing` measures."""

from importlib.util import find_spec

import pytest

from benchmarks.lab.sharing import deaf, share
from tests.tools import lacks

pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
def engine_is_there() -> None:
    if find_spec("grpc") is None:
        lacks("grpcio")


def test_users_of_two_boards_have_their_own_replies_and_none_is_left_out() -> None:
    found = share([8] * 7 + [64], boards=2, duration_s=1.0)
    assert len(found.done) == 8
    assert found.wrong == 0
    assert min(found.done) > max(found.done[:7]) / 10, "one of those who ask alike has had none"


def test_a_user_who_never_reads_takes_no_more_than_a_bounded_memory() -> None:
    count = 12_000
    before, most = deaf(count)
    assert most - before < count * 4096 / 2, "what he does not read is kept for him"
