"""Where hosts come in: the listening socket of a remote, and when it rests.

Letting a host in takes as long as many requests of those that are there. Hosts that come and go
without end would slow those down for as long as they like, so from a budget on, which a few dozen
hosts at once do not reach, letting in has a share of the time.
"""

import os
import socket
from time import monotonic_ns

from mboxio._limits.budget import Budget
from mboxio._os.descriptors import NONE_LEFT, exhausted, spare
from mboxio.local.doorbells import let_go, refuse_descriptors
from mboxio.local.sockets import listen, socket_path, unlisten
from mboxio.remote.failures import log
from mboxio.remote.serving.handshake import send_away

__all__ = ["Door"]

PAUSE_NS = 100_000_000
"""For so long nobody is let in after that failed: the socket stays readable."""
SHARE = 0.2
"""Of the time, for coming and going, while hosts are there that may want something."""
AT_ONCE_NS = 20_000_000
"""What coming and going may take before it has no more than that share."""


class Door:
    """Holds the name of a remote, and lets in one host after the other.

    Args:
        scheme: of the address.
        name: of the socket.

    Raises:
        AddressError: the name is taken, or as `listen`.
    """

    def __init__(self, scheme: str, name: str) -> None:
        self.address = f"{scheme}:{name}"
        self.path = socket_path(name, scheme)
        self.socket, self.lock_file = listen(name, scheme)
        # A listening socket has no messages yet, and what it accepts inherits this.
        self.sure = refuse_descriptors(self.socket)
        self.resume_ns: int | None = None
        self._budget = Budget(AT_ONCE_NS, SHARE * 1e9)
        self._spare = spare()
        self._short = False  # of descriptors, when somebody wanted in

    def accept(self) -> socket.socket | None:
        """Return a host that came, or None. After `resume_ns` is set, rest until then.

        Its socket never blocks, whatever the program, or gevent, made the default.
        """
        try:
            link, _ = self.socket.accept()
            link.setblocking(False)
        except BlockingIOError:
            return None
        except OSError as error:
            why = str(error)
            if error.errno in NONE_LEFT:
                why = str(exhausted("a new connection", error.errno))
                if self._short:  # still, after a pause
                    self._turn_away(why)
                self._short = True
            log.error("%s accepts nobody for a moment: %s", self.address, why)
            self.resume_ns = monotonic_ns() + PAUSE_NS
            return None
        self._short = False
        return link

    def left(self, link: socket.socket) -> bool:
        """Return whether a host that came has gone again, or says no more; then it is closed."""
        try:
            gone = not link.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            gone = True
        if gone and self.sure:
            link.close()  # nothing lies in it that closing would wait for
        elif gone:
            let_go(link)
        return gone

    def charge(self, began_ns: int, others: bool) -> None:
        """Note that somebody came or went, from `began_ns` until now.

        Args:
            began_ns: the monotonic clock, a moment before.
            others: are there, who wait meanwhile; without them it costs nothing.
        """
        now_ns = monotonic_ns()
        pause_ns = self._budget.spend(now_ns - began_ns if others else 0, now_ns)
        if pause_ns and others:
            self.resume_ns = max(self.resume_ns or 0, now_ns + pause_ns)

    def _turn_away(self, why: str) -> None:
        """Tell the host that is next, though there is no descriptor to tell it by but a spare."""
        if self._spare >= 0:
            os.close(self._spare)
        try:
            link = self.socket.accept()[0]
            send_away(link, why)
            let_go(link)
        except OSError:
            pass  # the host has gone, or another thread was faster
        self._spare = spare()

    def close(self) -> None:
        """Give the name back."""
        self._close_spare()
        unlisten(self.path, self.socket, self.lock_file)

    def forked(self) -> None:
        """In a forked child: close the copies. The socket file and the name are the parent's."""
        self._close_spare()
        self.socket.close()
        os.close(self.lock_file)

    def _close_spare(self) -> None:
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1
