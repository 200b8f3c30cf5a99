"""Whose doorbells a remote does not hear for a moment, because nothing was behind the last ones."""

from mboxio._pump.sleepers import USELESS_MAX, deaf_for_ns
from mboxio.remote.serving.rounds import RemoteEnd
from mboxio.remote.serving.waiter import Waiter

__all__ = ["Floods"]


class Floods:
    """Mutes the descriptors of hosts that ring for nothing; their rings are looked at all the same.

    Args:
        waiter: what listens.
    """

    def __init__(self, waiter: Waiter) -> None:
        self.muted: dict[int, int] = {}  # descriptors, and until when
        self._waiter = waiter

    def rang(self, descriptor: int, end: RemoteEnd, now_ns: int) -> None:
        """Note a doorbell. `USELESS_MAX` in a row without any work may be chance, but no more."""
        end.bells += 1
        if end.bells > USELESS_MAX:
            pause_ns = deaf_for_ns(end.bells)
            # The pauses of many hosts end together, for each end is a look at everybody.
            self.muted[descriptor] = (now_ns // pause_ns + 1) * pause_ns
            self._waiter.mute(descriptor, True)

    def next_ns(self) -> int | None:
        """Return when the first pause ends; None: there is none."""
        return min(self.muted.values(), default=None)

    def resume(self, now_ns: int, draining: bool) -> None:
        """Hear those again whose pauses are over, unless nobody is heard."""
        for descriptor, until_ns in tuple(self.muted.items()):
            if now_ns >= until_ns:
                del self.muted[descriptor]
                self._waiter.mute(descriptor, not draining)

    def forget(self, descriptor: int) -> None:
        """The connection ends."""
        self.muted.pop(descriptor, None)
