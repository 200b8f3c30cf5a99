"""One measurement: who, with what, where."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["BUILD", "ROOT", "Setting"]

ROOT = Path(__file__).parent.parent
BUILD = ROOT / "build" / "bench"


@dataclass(frozen=True)
class Setting:
    """What one measurement is about; it travels to the processes that take part as JSON.

    Args:
        peer: module in `benchmarks.peers`.
        way: how both sides wait: ``spin``, ``sleep``, ``usual`` (mboxio as it comes: it looks for
            50 µs first), or how the host does: ``asyncio``, ``uvloop``; the remote as usual then.
        remote: what answers: ``c`` or ``python``; empty: the peer has only one kind.
        pure: mboxio runs without its compiled modules.
        mapped: its client uses ``map``.
        size_bytes: of each message and each reply.
        in_flight: requests sent before the first reply is awaited.
        cpus: where host and remote run; both may be the same.
        channels, depth, clients: of mboxio only.
        replies: over RPMsg, how a reply is tied to its request.
        rounds: how many times it is measured.
        round_s: how long one of them takes.
    """

    peer: str
    way: str = "spin"
    remote: str = ""
    pure: bool = False
    mapped: bool = False
    size_bytes: int = 32
    in_flight: int = 1
    cpus: tuple[int, int] = (0, 1)
    channels: int = 1
    depth: int = 32
    clients: int = 1
    replies: str = ""
    rounds: int = 5
    round_s: float = 0.06

    def to_json(self) -> str:
        """Return what `from_json` takes."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Setting":
        """Return the setting that was written by `to_json`."""
        fields = json.loads(text)
        return cls(**{**fields, "cpus": tuple(fields["cpus"])})

    @property
    def apart(self) -> bool:
        """Whether host and remote have a CPU each."""
        return self.cpus[0] != self.cpus[1]

    @property
    def key(self) -> str:
        """A name that no other setting of a run has."""
        parts = [self.peer, self.way, self.remote, "pure" if self.pure else ""]
        parts.append("map" if self.mapped else "")
        parts.append(self.replies)
        parts += [f"{self.size_bytes}B", f"{self.in_flight}", "" if self.apart else "together"]
        for name, usual in (("channels", 1), ("depth", 32), ("clients", 1)):
            if (value := getattr(self, name)) != usual:
                parts.append(f"{value} {name}")
        return " ".join(filter(None, parts))
