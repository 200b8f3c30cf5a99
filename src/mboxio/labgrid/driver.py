# pyright: basic, reportMissingImports=false
"""A driver of labgrid that is connected to a mailbox as long as it is active."""

from typing import Any, ClassVar

import attr
from labgrid.driver.common import Driver
from labgrid.factory import target_factory
from labgrid.step import step

from mboxio.client.blocking import Client
from mboxio.client.connection import Connection
from mboxio.client.open import connect

__all__ = ["MailboxDriver"]


@target_factory.reg_driver
@attr.s(eq=False)
class MailboxDriver(Driver):
    """A mailbox of the target.

    Activating it connects, deactivating it closes: every request then ends, and what the place of a
    released board still answers reaches nobody.

    Args:
        timeout_s: of requests that do not say otherwise, in seconds; None: the controller's.
    """

    bindings = {"mailbox": {"Mailbox", "NetworkMailbox"}}  # noqa: RUF012
    mailbox: ClassVar[Any]  # labgrid binds it, in each object
    timeout_s: float | None = attr.ib(
        default=None, validator=attr.validators.optional(attr.validators.instance_of((int, float)))
    )

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self._connection: Connection | None = None
        self._clients: dict[int | str, Client] = {}

    def on_activate(self) -> None:
        """Connect; raises what `mboxio.connect` raises."""
        self._connection = connect(self.mailbox.address)

    def on_deactivate(self) -> None:
        """Close the connection and all clients."""
        connection, self._connection = self._connection, None
        self._clients.clear()
        if connection is not None:
            connection.close()

    @property
    def connection(self) -> Connection:
        """The connection, for everything that has no method here.

        Raises:
            RuntimeError: the driver is not active.
        """
        if self._connection is None:
            raise RuntimeError(f"{self.display_name} is not active")
        return self._connection

    @Driver.check_active
    def client(self, channel: int | str, **options: Any) -> Client:
        """Return a client of its own; it is closed with the driver, if not before.

        Args:
            channel: number or name.
            options: see `Connection.client`; ``timeout_s`` is the driver's if left out.
        """
        if self.timeout_s is not None:
            options.setdefault("timeout_s", self.timeout_s)
        return self.connection.client(channel, **options)

    def _client(self, channel: int | str) -> Client:
        """Return the client for the verbs below."""
        if channel not in self._clients:
            self._clients[channel] = self.client(channel)
        return self._clients[channel]

    @Driver.check_active
    @step(args=["channel", "data"], result=True)
    def request(self, channel: int | str, data: bytes) -> bytes:
        """Ask, and return the reply; see `Client.request`."""
        return self._client(channel).request(data)

    @Driver.check_active
    @step(args=["channel", "data"])
    def send(self, channel: int | str, data: bytes) -> None:
        """Send a message that has no reply; see `Client.send`."""
        self._client(channel).send(data)
