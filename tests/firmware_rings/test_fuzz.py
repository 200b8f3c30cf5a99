"""A short run of what ``make fuzz`` does a million times."""

import pytest

from tests.firmware_rings.fuzz import Fuzz

MUTATIONS = 1_500


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_hostile_firmware(seed: int) -> None:
    fuzz = Fuzz(seed)
    fuzz.run(MUTATIONS)
    fuzz.close()
    assert fuzz.ends["reply"] > 10
    assert {"RemoteGone", "RequestTimeout"} & fuzz.ends.keys()
