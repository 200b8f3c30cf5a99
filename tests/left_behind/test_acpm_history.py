"""What the slots of ACPM's rings tell of messages that were taken."""

from collections import deque

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mboxio.controllers.acpm.leftovers import NEVER, NO_TAG, unanswered
from tests.tools import examples

TAGS = 63


class History:
    """Both rings after a life, as the next host finds them.

    Args:
        slots: of each ring.
    """

    def __init__(self, slots: int) -> None:
        self.free = deque(range(1, TAGS + 1))
        self.open: list[int] = []
        self.taken: deque[int] = deque(maxlen=slots - 1)
        self.given = deque([NEVER] * (slots - 1), maxlen=slots - 1)

    def ask(self) -> None:
        tag = self.free.popleft()
        self.open.append(tag)
        self.taken.append(tag)

    def answer(self, place: int) -> None:
        tag = self.open.pop(place)
        self.free.append(tag)
        self.given.append(tag)

    def found(self) -> list[int]:
        return unanswered(list(self.taken), list(self.given), len(self.open))


@given(
    slots=st.sampled_from([8, 32, 64]),
    steps=st.lists(
        st.tuples(st.integers(1, 63), st.integers(0, 63), st.integers(0, 3)), max_size=20
    ),
)
@example(slots=64, steps=[(37, 37, 0), (32, 26, 1)])
@settings(max_examples=examples(300), deadline=None)
def test_what_is_open_is_found_and_what_is_over_is_not(
    slots: int, steps: list[tuple[int, int, int]]
) -> None:
    """Firmware that answers up to the fourth message first; what it keeps for long is not seen."""
    life = History(slots)
    for asked, answered, place in steps:
        for _ in range(min(asked, slots - 1 - len(life.open))):
            life.ask()
        for _ in range(min(answered, len(life.open))):
            life.answer(min(place, len(life.open) - 1))
    whole = all(place == 0 for _, _, place in steps)
    recent = list(life.taken)[-len(life.taken) if whole else -(slots // 2) :]
    assert set(life.open) & set(recent) <= set(life.found())
    while life.open:
        life.answer(0)
    assert life.found() == []


def test_notifications_take_the_place_of_replies() -> None:
    """What cannot be known is not held for ever: the tags that rested longest come first."""
    life = History(8)
    for _ in range(4):
        life.ask()
        life.answer(0)
    life.ask()
    life.given.extend([NO_TAG] * 2)
    assert life.found() == life.open
    life.given.extend([NO_TAG] * 5)
    assert life.found() == []
