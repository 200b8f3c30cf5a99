"""Addresses: from ``controller:name/channel?option=value`` to an attached controller."""

import dataclasses
import typing
from typing import Any

from mboxio.client import Client, Connection
from mboxio.clock import SYSTEM, Clock
from mboxio.controller import Controller
from mboxio.errors import AddressError, MailboxError
from mboxio.timeouts import DEFAULT

BUILT_IN = {
    "acpm": "mboxio.controllers.acpm:Acpm",
    "bcm2835": "mboxio.controllers.bcm2835:Bcm2835",
    "exynos_mbox": "mboxio.controllers.exynos_mbox:ExynosMailbox",
    "loopback": "mboxio.controllers.loopback:Loopback",
    "mhu": "mboxio.controllers.arm_mhu:Mhu",
    "shm": "mboxio.controllers.shm:SharedMemory",
    "vcio": "mboxio.controllers.vcio:Vcio",
}
"""Controllers found without asking for entry points, which costs some milliseconds."""

GROUP = "mboxio.controllers"


@dataclasses.dataclass(frozen=True)
class Address:
    """The parts of ``controller:name/channel?option=value``."""

    controller: str
    name: str
    channel: str
    options: dict[str, str]

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Take an address apart.

        Raises:
            AddressError: it has no ``controller:`` or an option without ``=``.
        """
        from urllib.parse import unquote

        head, _, query = text.partition("?")
        controller, colon, rest = head.partition(":")
        if not colon or not controller:
            raise AddressError(
                f"{text!r} is no address: write controller:name/channel?option=value, "
                "for example shm:demo/pmic"
            )
        name, _, channel = rest.partition("/")
        options: dict[str, str] = {}
        for option in query.split("&") if query else ():
            key, equals, value = option.partition("=")
            if not equals:
                raise AddressError(f"{text!r}: options are written ?name=value&name=value")
            # A plus stays one, unlike in a form of the web: at=devmem:@0x1000+0x40
            options[unquote(key)] = unquote(value)
        return cls(controller, name, channel, options)

    def __str__(self) -> str:
        from urllib.parse import quote

        tail = f"/{self.channel}" if self.channel else ""
        query = "&".join(
            f"{quote(key, '')}={quote(value, '/:@+,')}" for key, value in self.options.items()
        )
        return f"{self.controller}:{self.name}{tail}{'?' + query if query else ''}"


def found() -> dict[str, str]:
    """Return every known controller: its name and where it is, ``module:class``."""
    from importlib.metadata import entry_points

    outside = {entry.name: entry.value for entry in entry_points(group=GROUP)}
    return {**outside, **BUILT_IN}


def load(name: str) -> Any:
    """Return the controller class of this name.

    Raises:
        AddressError: unknown; the text lists what exists.
    """
    where = BUILT_IN.get(name)
    if where is None:
        known = found()
        where = known.get(name)
        if where is None:
            raise AddressError(f"no controller {name!r}; there are: {', '.join(sorted(known))}")
    module, _, attribute = where.partition(":")
    from importlib import import_module

    return getattr(import_module(module), attribute)


def make(address: Address) -> Controller:
    """Build the controller that an address names, with its options checked and typed.

    A controller class has an ``Options`` dataclass; its constructor takes the name and those.

    Raises:
        AddressError: an unknown option (the known ones are listed) or a value of another type.
    """
    kind = load(address.controller)
    fields = {field.name: field for field in dataclasses.fields(kind.Options)}
    types = typing.get_type_hints(kind.Options)
    values: dict[str, Any] = {}
    for key, text in address.options.items():
        if key not in fields:
            known = ", ".join(fields) or "none"
            raise AddressError(f"{address.controller}: no option {key!r}; there are: {known}")
        values[key] = _typed(address.controller, key, text, types[key])
    try:
        controller: Controller = kind(address.name, kind.Options(**values))
        if hasattr(controller, "connect"):  # it stacks on other controllers
            setattr(controller, "connect", connect)  # noqa: B010
    except ValueError as error:
        raise AddressError(f"{address}: {error}") from None
    return controller


def _typed(controller: str, key: str, text: str, kind: Any) -> Any:
    try:
        if kind is bool:
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[
                text.lower()
            ]
        if kind is int:
            return int(text, 0)
        return kind(text)
    except (ValueError, KeyError):
        raise AddressError(
            f"{controller}: option {key}={text!r} is not of type {kind.__name__}"
        ) from None


def resolve(address: str) -> tuple[Address, Any]:
    """Take an address apart; one by device tree becomes that of the controller there.

    Returns:
        The address of a controller, and what its `Controller.xlate` finds the channel by, or None.

    Raises:
        AddressError: the address means nothing here.
    """
    parsed = Address.parse(address)
    if parsed.controller != "dt":
        return parsed, None
    from mboxio import dt  # reading device trees is not for everybody

    return dt.resolve(parsed)


def connect(address: str, *, clock: Clock = SYSTEM, trace: Any = None) -> Connection:
    """Connect to the controller at an address.

    Args:
        address: ``controller:name?option=value``, for example ``shm:demo``, or ``dt:NODE``: the
            mailbox at this node of the device tree.
        clock: owns all waits; a virtual one makes tests deterministic.
        trace: called at named points; see `Gate`.

    Returns:
        The connection; a context manager.

    Raises:
        AddressError: the address means nothing here.
        RemoteGone: nobody answers there.
    """
    parsed, _ = resolve(address)
    if parsed.channel:
        raise AddressError(
            f"{address!r} names a channel: mboxio.open() takes it, connect() takes "
            f"{parsed.controller}:{parsed.name}"
        )
    return _attach(parsed, clock, trace)


def reach(address: str) -> tuple[Connection, Any]:
    """Connect to the controller at an address, and find the channel that it names."""
    parsed, specifier = resolve(address)
    connection = _attach(dataclasses.replace(parsed, channel=""), SYSTEM, None)
    try:
        if specifier is not None:
            return connection, connection.xlate(specifier)
        return connection, connection.find_channel(parsed.channel or 0)
    except BaseException:
        connection.close()
        raise


def _attach(address: Address, clock: Clock, trace: Any) -> Connection:
    controller = make(address)
    try:
        return Connection(controller, address=str(address), clock=clock, trace=trace)
    except ValueError as error:
        if isinstance(error, MailboxError):
            raise
        raise AddressError(f"{address}: {error}") from None


class OwnedClient(Client):
    """A client that owns its connection and closes it."""

    def close(self) -> None:
        """Close the client and its connection."""
        super().close()
        self.host.close()


def open(
    address: str,
    *,
    backlog: int = 0,
    timeout_s: float | None = DEFAULT,
    queue_timeout_s: float | None = DEFAULT,
) -> Client:
    """Connect and open a client in one step; closing it closes the connection.

    Args:
        address: with a channel, for example ``shm:demo/pmic``; the first one if left out. By
            device tree: ``dt:CONSUMER?channel=NAME``.

    The other arguments and errors are those of `connect` and `Connection.client`.
    """
    connection, channel = reach(address)
    try:
        client = OwnedClient(connection, channel, backlog, timeout_s, queue_timeout_s, None)
        client.at_home = connection.worker
        connection.join(channel, client)
    except BaseException:
        connection.close()
        raise
    return client
