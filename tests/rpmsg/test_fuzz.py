"""A short run of what ``make fuzz`` does a million times."""

import pytest

from tests.rpmsg.fuzz import Fuzz

MUTATIONS = 4_000


@pytest.mark.parametrize("seed", [0, 1])
def test_a_hostile_side(seed: int) -> None:
    fuzz = Fuzz(seed)
    fuzz.run(MUTATIONS)
    fuzz.close()
    assert fuzz.ends["reply"] > 50
    assert fuzz.ends.keys() >= {"RemoteError", "RequestTimeout"}
