"""The short way of ordinary requests, where a driver has one."""

from typing import Any

from mboxio._base.request import Owner, Request

LOOKS = 31
"""How often `Shortcut.look` asks, without the clock: as a spinner does between full turns."""


class Shortcut:
    """What the general way does to an ordinary request, out and back, in one step each.

    A request is ordinary where nothing is set that the general way would have to ask for: then the
    outcome is the same, message for message. Where something is, a shortcut does nothing and says
    so. Drivers give their channels one (``channel.shortcut``); this one never applies.

    Attributes:
        checked: it asks itself what `Controller.check` of its driver asks.
    """

    __slots__ = ("checked",)

    def __init__(self) -> None:
        self.checked = False

    def submit(self, owner: Owner, data: bytes, timeout_ns: int) -> Request | None:
        """Hand a message over that expects a reply. Without the lock.

        Args:
            owner: the client; it is open, and asks for nothing to be checked first.
            data: the message.
            timeout_ns: deadline of the reply, in nanoseconds from now on.

        Returns:
            The request, or None if something is not ordinary: nothing has happened then.
        """
        return None

    def fill(
        self,
        owner: Owner,
        messages: list[object],
        at: int,
        line: list[Any],
        place: int,
        most: int,
        timeout_ns: int,
    ) -> int:
        """Hand over messages from ``at`` on, as `submit`, until one is not ordinary.

        Args:
            line: gets their requests, from ``place`` on and around its end; its length is a power
                of two. What stands there is used again where nobody else has it.
            place: counted on from one round to the next.
            most: how many, at most: no more than there are places.

        Returns:
            How many were. `announce` comes next, once the caller has noted that.
        """
        return 0

    def announce(self, line: list[Any], place: int, sent: int) -> None:
        """Tell the tap and the remote of the messages that `fill` has handed over."""

    def take(self, most: int) -> int:
        """End requests with the replies that wait, as long as those are ordinary. Under the lock.

        Returns:
            How many messages were taken, of ``most``.
        """
        return 0

    def look(self, request: Request) -> int:
        """Look for the reply of a request for a moment, and take it. Takes the lock itself.

        Returns:
            At which look the reply was there, from 1 on; 0: it was not, or not in the ordinary way.
        """
        return 0
