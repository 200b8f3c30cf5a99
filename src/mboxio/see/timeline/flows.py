"""Which request at the host is which at the remote, so that arrows lead from one to the other."""

from itertools import count

__all__ = ["Flows"]

UNSERVED_MAX = 4096
"""Requests that are remembered until the other side has them."""


class Flows:
    """Ties what one side sends to what the other gets, by channel, tag and order of time.

    Nothing is tied before a remote was seen: arrows that lead nowhere are in the way.
    """

    def __init__(self) -> None:
        self.has_remote = False
        self.numbers = count(1)
        self.unserved: dict[tuple[bool, str, int], tuple[int, int]] = {}

    def sent(self, channel: str, tag: int | None, number: int = 0, asks: bool = False) -> int:
        """Return the number of the flow that begins with a request; 0: there is none.

        Args:
            channel: its name.
            tag: of the request.
            number: of the request, for the name that it has on the other side.
            asks: it is the remote that asks.
        """
        if tag is None or not self.has_remote:
            return 0
        flow = next(self.numbers)
        key = (asks, channel, tag)
        self.unserved.pop(key, None)  # the order is that of time
        self.unserved[key] = (flow, number)
        if len(self.unserved) > UNSERVED_MAX:
            del self.unserved[next(iter(self.unserved))]
        return flow

    def came(self, channel: str, tag: int | None, asks: bool = False) -> tuple[int, int]:
        """Return the flow whose request has arrived, and its number; 0, 0: nobody saw it leave."""
        return (0, 0) if tag is None else self.unserved.pop((asks, channel, tag), (0, 0))
