"""Who arms seldom makes the fences of who rings; what the machine does is in test_weak_memory."""

import pytest

import mboxio.ring
from mboxio.regions import Memory
from mboxio.ring import implementations
from mboxio.ring.layout import HOST_ARMED, REMOTE_ARMED

PROMISE = 8
"""Where the promise lies, in bytes from the armed word."""

pytestmark = pytest.mark.skipif(len(implementations()) == 1, reason="the pure build always rings")


def both(memory: Memory, *, promise: bool) -> tuple[mboxio.ring.Armed, mboxio.ring.Armed]:
    remote = mboxio.ring.armed(memory, REMOTE_ARMED, HOST_ARMED)
    if promise:
        remote.promise_fences()
    return remote, mboxio.ring.armed(memory, HOST_ARMED, REMOTE_ARMED)


@pytest.mark.parametrize("promise", [False, True], ids=["own fences", "promised"])
def test_a_sleep_is_rung_for_once(promise: bool) -> None:
    memory = Memory(bytearray(256))
    remote, host = both(memory, promise=promise)
    assert memory.read(REMOTE_ARMED + PROMISE, 4) == promise
    assert not host.peer_armed()
    for _ in range(3):
        assert remote.arm()
        assert host.peer_armed()
        assert not host.peer_armed(), "rung for already"
        remote.disarm()
        assert not host.peer_armed()


@pytest.mark.parametrize("word", [2, 0xFFFFFFFF])
def test_what_is_no_promise_is_none(word: int) -> None:
    memory = Memory(bytearray(256))
    memory.write(REMOTE_ARMED + PROMISE, word, 4)
    remote, host = both(memory, promise=False)
    assert remote.arm()
    assert host.peer_armed()


def test_armed_words_at_the_end_of_a_region_have_no_place_for_what_a_process_says() -> None:
    with pytest.raises(ValueError, match="no word at offset 76 in 68 bytes"):
        mboxio.ring.armed(Memory(bytearray(68)), 0, HOST_ARMED)
