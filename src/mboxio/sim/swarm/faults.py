"""What goes wrong in a run, and how often: each fault is in or out, all drawn from a seed."""

from dataclasses import dataclass
from random import Random

from mboxio.sim.swarm.chance import Chance
from mboxio.sim.swarm.options import Options

__all__ = ["RATES_MAX", "Faults"]

RATES_MAX = {
    "lost": 0.05,
    "late": 0.05,
    "double": 0.1,
    "reordered": 0.1,
    "wrong": 0.05,
    "oversized": 0.0005,
    "lost_tx_done": 0.02,
    "busy": 0.1,
    "error": 0.05,
    "restart": 0.0005,
    "silence": 0.0005,
    "cancelled": 0.05,
}
"""The most that is drawn of each; the last one is the caller's change of mind."""


@dataclass(frozen=True, kw_only=True)
class Faults(Options):
    """Rates from 0 to 1: of the replies, of the messages, or of the requests.

    Args:
        lost: replies that never come.
        late: replies that come up to 20 ms later.
        double: replies that come twice.
        reordered: replies that come after the next one.
        wrong: replies to nothing that is in flight, which come before the real one.
        oversized: replies that are longer than any message; the queue stops, until a restart.
        lost_tx_done: messages whose TX done is never told.
        busy: messages that the hardware refuses to take, until later.
        error: messages that end with an error, as a reply or as TX done.
        restart: replies instead of which the firmware begins a new life, at once or after a while.
        silence: replies with which the firmware stops to do anything for up to 5 ms.
        cancelled: requests that their client cancels.

    Raises:
        ValueError: a rate is not 0 to 1.
    """

    MOST = RATES_MAX
    WHAT = "fault"

    lost: float = 0.0
    late: float = 0.0
    double: float = 0.0
    reordered: float = 0.0
    wrong: float = 0.0
    oversized: float = 0.0
    lost_tx_done: float = 0.0
    busy: float = 0.0
    error: float = 0.0
    restart: float = 0.0
    silence: float = 0.0
    cancelled: float = 0.0

    def __post_init__(self) -> None:
        for name, rate in self.numbers().items():
            if not 0 <= rate <= 1:
                raise ValueError(f"{name}={rate}: it is a rate, 0 to 1")

    @classmethod
    def drawn(cls, random: Random) -> "Faults":
        """Return faults of which each is in or out, at a rate up to `RATES_MAX`."""
        rates: dict[str, float] = {}
        for name, most in RATES_MAX.items():
            is_in, share = random.random() < 0.5, random.random()
            rates[name] = round(share * most, 6) if is_in else 0.0
        return cls(**rates)

    def chances(self, seed: int) -> dict[str, Chance]:
        """Return what decides about each fault; leaving one out changes none of the others."""
        return {
            name: Chance(rate, Random(seed * len(RATES_MAX) + place))
            for place, (name, rate) in enumerate(self.numbers().items())
        }
