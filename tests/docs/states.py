"""The state table of a request as a picture: ``python -m tests.docs.states`` prints it."""

from collections.abc import Iterator

from mboxio._base.states import ENDS, EVENT_NAMES, NEW, STATE_NAMES, TRANSITIONS


def diagram() -> str:
    """Return `mboxio._base.states.TRANSITIONS` as a Mermaid diagram."""
    return "".join(f"{line}\n" for line in _lines())


def _lines() -> Iterator[str]:
    yield "stateDiagram-v2"
    for state in TRANSITIONS:
        if _name(state) != STATE_NAMES[state]:
            yield f'    state "{STATE_NAMES[state]}" as {_name(state)}'
    yield f"    [*] --> {_name(NEW)}"
    for state, ways in TRANSITIONS.items():
        for event, following in ways.items():
            yield f"    {_name(state)} --> {_name(following)}: {EVENT_NAMES[event]}"
    for state in sorted(ENDS):
        yield f"    {_name(state)} --> [*]"


def _name(state: int) -> str:
    return STATE_NAMES[state].replace(" ", "_")


if __name__ == "__main__":
    print(diagram(), end="")
