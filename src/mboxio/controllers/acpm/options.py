"""The options of ``acpm:``."""

from dataclasses import dataclass

from mboxio.controllers.acpm.layout import BASE

__all__ = ["AcpmOptions"]


@dataclass(frozen=True, kw_only=True)
class AcpmOptions:
    """Options of an address: ``acpm:/3?at=file:sram.bin&base=0xa000``.

    Args:
        at: the SRAM from its start, for example ``file:sram.bin`` or ``peer:board``.
        base: offset of the descriptor in it, in bytes.
        mbox: address of the doorbell mailbox, for example ``exynos_mbox:?at=uio:0``; channel n is
            rung and heard there on channel n. Left out: the region's own doorbell and interrupt,
            and polling where it has none.
        poll_s: how often a polled channel is looked at while something is in flight, in seconds.
        idle_poll_s: and while nothing is.
        timeout_s: default deadline of a request, in seconds.
        spin_s: longest time that a wait looks at the rings before it sleeps, in seconds.
        boot_word: offset from base of a word that differs in each life of the firmware; -1: none
            is known. A descriptor that changes is noticed in any case.
        shared: other hosts may use the same channels.
    """

    at: str = ""
    base: int = BASE
    mbox: str = ""
    poll_s: float = 20e-6
    idle_poll_s: float = 1e-3
    timeout_s: float = 1.0
    spin_s: float = 50e-6
    boot_word: int = -1
    shared: bool = False
