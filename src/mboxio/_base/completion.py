"""Other things than messages that are over at some time."""

from mboxio._base.request import Owner, Request
from mboxio._base.states import FOREVER


class Completion(Request):
    """The completion of a request, and nothing else: over once, and tells its watchers.

    `Request` is not a subclass: the compiled build recycles objects of base classes only.
    """

    __slots__ = ()

    def __init__(self, owner: Owner) -> None:
        super().__init__(owner, b"", False, FOREVER)


class Flush(Completion):
    """Over when a number of messages left their slots."""

    __slots__ = ("_waiting_for",)

    def __init__(self, owner: Owner, waiting_for: list[Request]) -> None:
        super().__init__(owner)
        self._waiting_for = waiting_for
