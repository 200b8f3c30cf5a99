"""A short run of what ``make fuzz`` does a million times."""

import pytest

from .fuzz import Fuzz, beside

MUTATIONS = 10_000


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.once)])
def test_a_hostile_sram(seed: int) -> None:
    fuzz = Fuzz(seed)
    fuzz.run(MUTATIONS)
    fuzz.close()
    assert fuzz.ends["reply"] > 100
    assert {"RemoteError", "RemoteGone", "RequestTimeout", "refused: QueueFull"} <= fuzz.ends.keys()


def test_a_hostile_sram_that_changes_at_the_same_time() -> None:
    assert beside(200_000).total() > 0
