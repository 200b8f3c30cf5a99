"""Addresses: from ``controller:name/channel?option=value`` to an attached controller."""

import dataclasses
import functools
import math
import typing
from collections.abc import Callable, Collection
from typing import Any

from mboxio._base.clock import SYSTEM, Clock
from mboxio._base.timeouts import DEFAULT
from mboxio._os.descriptors import refuse_exhausted
from mboxio.address import catalogue
from mboxio.address.address import Address as Address
from mboxio.address.allowed import names_of, require_allowed
from mboxio.client.blocking import Client
from mboxio.client.connection import Connection, RecordTarget
from mboxio.client.distant import PatientClient
from mboxio.client.patience import Patience
from mboxio.driver.controller import Controller
from mboxio.errors import AddressError, MailboxError

SECONDS_MAX = 1e6
"""Longer than anybody waits, and what the kernel can still count in milliseconds."""
SPIN_MAX_S = 1.0
BYTES_MAX = 1 << 30
COUNTS = frozenset({"channels", "depth", "slots"})
COUNT_MAX = 1 << 16
"""More of something for which memory is taken at once are a mistake."""
NUMBER_MAX = (1 << 64) - 1
"""No address of any machine is larger."""

Reached = typing.TypeVar("Reached")

YES_OR_NO = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


def make(address: Address, allow: frozenset[str] | None = None) -> Controller:
    """Build the controller that an address names, with its options checked and typed.

    A controller class has an ``Options`` dataclass; its constructor takes the name and those.

    Raises:
        AddressError: an unknown option (the known ones are listed), a value of another type, or
            one that makes no sense.
    """
    kind = catalogue.load(address.controller)
    fields = {field.name: field for field in dataclasses.fields(kind.Options)}
    types = typing.get_type_hints(kind.Options)
    values: dict[str, Any] = {}
    for key, text in address.options.items():
        if key not in fields:
            known = ", ".join(fields) or "none"
            raise AddressError(f"{address.controller}: no option {key!r}; there are: {known}")
        values[key] = _typed(address.controller, fields[key], text, types[key])
    try:
        options = kind.Options(**values)  # it knows best what is possible
    except ValueError as error:
        raise AddressError(_with_address(address, error)) from None
    for key, value in values.items():
        _check(f"{address.controller}: option {key}={value!r:.40}", fields[key], value)
    try:
        controller: Controller = kind(address.name, options)
        # It may stand on another controller, which has to be within the same reach.
        controller.stack(functools.partial(connect, allow=allow))
    except ValueError as error:
        raise AddressError(_with_address(address, error)) from None
    return controller


def _with_address(address: Address, error: ValueError) -> str:
    return f"{str(address)[:200].removesuffix(':')}: {error}"


def _typed(controller: str, field: "dataclasses.Field[Any]", text: str, kind: Any) -> Any:
    """Turn the text of an option into its type."""
    if type(None) in (some := typing.get_args(kind)):
        kind = next(each for each in some if each is not type(None))
    try:
        value = YES_OR_NO[text.lower()] if kind is bool else _made(kind, text)
    except (TypeError, ValueError, KeyError):
        name = getattr(kind, "__name__", kind)
        hint = ": write yes or no" if kind is bool else ""
        raise AddressError(
            f"{controller}: option {field.name}={text[:40]!r} is not of type {name}{hint}"
        ) from None
    return value


def _made(kind: Any, text: str) -> Any:
    return int(text, 0) if kind is int else kind(text)


def _check(what: str, field: "dataclasses.Field[Any]", value: object) -> None:
    """Refuse numbers that make no sense for their unit."""
    if not isinstance(value, (int, float)):
        return
    if field.name == "spin_s" and value > SPIN_MAX_S:
        raise AddressError(f"{what}: spinning keeps a CPU busy, {SPIN_MAX_S:g} s at most")
    if field.name.endswith("_s"):
        if not (value == 0 or 1e-9 <= value <= SECONDS_MAX):
            raise AddressError(
                f"{what}: this is a time of 0 or more seconds, at most {SECONDS_MAX:.0f}"
            )
        return
    if not math.isfinite(value):
        raise AddressError(f"{what}: write a finite number")
    # Where the default is negative it stands for none.
    least = min(0, field.default) if isinstance(field.default, (int, float)) else 0
    most = NUMBER_MAX
    if field.name.endswith("_bytes"):
        most = BYTES_MAX
    elif field.name in COUNTS:
        most = COUNT_MAX
    if not least <= value <= most:
        raise AddressError(f"{what}: write a number from {least} to {most}")


def _names() -> set[str]:
    from mboxio.regions.access import SCHEMES

    return {"dt", *SCHEMES, *catalogue.found()}


def resolve(address: str, allow: Collection[str] | None = None) -> tuple[Address, Any]:
    """Take an address apart; one by device tree becomes that of the controller there.

    Args:
        address: its text.
        allow: see `connect`.

    Returns:
        The address of a controller, and what its `Controller.xlate` finds the channel by, or None.

    Raises:
        AddressError: the address means nothing here, or is not allowed.
    """
    names = names_of(allow)
    try:
        parsed = Address.parse(address)
        require_allowed(parsed, names, _names)
        if parsed.controller != "dt":
            return parsed, None
        from mboxio.address import by_tree as dt  # reading device trees is not for everybody

        parsed, specifier = dt.resolve(parsed, names)
        require_allowed(parsed, names, _names)  # again: the tree has named another address
        return parsed, specifier
    except OSError as error:
        refuse_exhausted(error, address)  # of an import
        raise


def connect(
    address: str,
    *,
    wait_s: float | None = None,
    allow: Collection[str] | None = None,
    clock: Clock = SYSTEM,
    record: RecordTarget = None,
) -> Connection:
    """Connect to the controller at an address.

    With ``wait_s`` the remote may come up after its host. What is waited for is something that is
    not there yet: nobody serves the name, or answers, or hands over its memory; there is no such
    file (``file:``), or it is still empty; no such device (``uio:``, ``vcio:``, a serial port);
    the firmware has not written ACPM's descriptor, or not announced a service (``rpmsg:``). A wrong
    option, no access, or somebody else who has it already are told at once. Tries follow each other
    ever more slowly, up to four a second; one that has begun is not cut short.

    Args:
        address: ``controller:name?option=value``, for example ``shm:demo``, or ``dt:NODE``: the
            mailbox at this node of the device tree.
        wait_s: how long the remote may take to come up, in seconds; None or 0: it has to be there.
        allow: for an address from somebody else: the names of the controllers and regions that it
            may reach, such as ``("shm", "peer")``, also in its options and through a device tree
            (``dt``; ``file``, too, for a ``dtb=``). None: all. What is not among them is refused
            before anything is opened, read or imported.
        clock: owns all waits; a virtual one makes tests deterministic.
        record: the path of a capture (``.pcapng``, ``.jsonl``) that gets what happens to all
            messages until the connection is closed, or a `mboxio.recording.recorder.Recorder`.

    Returns:
        The connection; a context manager, for ``with`` and ``async with``.

    Raises:
        AddressError: the address means nothing here, or is not allowed.
        RemoteGone: nobody answers there; the text says how long that was waited for.
        ValueError, TypeError: ``wait_s`` is no time, or ``allow`` no collection of names.
    """
    patience = Patience(wait_s, clock, address)
    names = names_of(allow)
    parsed, _ = resolve(address, names)
    if parsed.channel:
        raise AddressError(
            f"{address!r} names a channel: mboxio.open() takes it, connect() takes "
            f"{parsed.controller}:{parsed.name}"
        )
    return patiently(patience, lambda: _attach(parsed, names, clock, record))


def reach(
    address: str,
    patience: Patience | None = None,
    allow: Collection[str] | None = None,
    record: RecordTarget = None,
) -> tuple[Connection, Any]:
    """Connect to the controller at an address, and find the channel that it names."""
    patience = patience or Patience(None, what=address)
    names = names_of(allow)
    parsed, specifier = resolve(address, names)
    whole = dataclasses.replace(parsed, channel="")
    connection = patiently(patience, lambda: _attach(whole, names, SYSTEM, record, parsed.channel))
    try:
        if specifier is not None:
            return connection, connection.xlate(specifier)
        return connection, connection._host.find_channel(parsed.channel or 0)
    except BaseException:
        connection.close()
        raise


def patiently(patience: Patience, attach: Callable[[], Reached]) -> Reached:
    """Try until it works, fails for good, or has been tried long enough."""
    while True:
        try:
            return attach()
        except (MailboxError, OSError) as error:
            refuse_exhausted(error, patience.what)  # of an import, or of a driver that says no more
            pause_ns = patience.pause_ns(error)
            if not pause_ns:
                raise
        patience.sleep(pause_ns)


def _attach(
    address: Address,
    allow: frozenset[str] | None,
    clock: Clock,
    record: RecordTarget,
    channel: str = "",
) -> Connection:
    controller = make(address, allow)
    try:
        controller.expect(channel)
        return Connection(controller, address=str(address), clock=clock, record=record)
    except ValueError as error:
        if isinstance(error, MailboxError) and not hasattr(error, "option"):
            raise
        raise AddressError(_with_address(address, error)) from None


class OwnedClient(Client):
    """A client that owns its connection and closes it."""

    def close(self) -> None:
        """Close the client and its connection."""
        super().close()
        self._host.close()

    async def __aenter__(self) -> typing.NoReturn:
        self.close()
        raise TypeError("this client blocks: write async with mboxio.open_async(address)")

    async def __aexit__(self, *_: object) -> None:
        """Never called."""


class OwnedPatientClient(OwnedClient, PatientClient):
    """The same where accesses take long."""


def open(
    address: str,
    *,
    backlog: int = 0,
    timeout_s: float | None = DEFAULT,
    queue_timeout_s: float | None = DEFAULT,
    wait_s: float | None = None,
    allow: Collection[str] | None = None,
    record: RecordTarget = None,
) -> Client:
    """Connect and open a client in one step; closing it closes the connection.

    Args:
        address: with a channel, for example ``shm:demo/pmic``; the first one if left out. By
            device tree: ``dt:CONSUMER?channel=NAME``.

    The other arguments and errors are those of `connect` and `Connection.client`.
    """
    connection, channel = reach(address, Patience(wait_s, what=address), allow, record)
    host = connection._host
    try:
        kind = OwnedPatientClient if host.pump.distant else OwnedClient
        client = kind(host, channel, backlog, timeout_s, queue_timeout_s, None)
        client._at_home = host.worker
        host.join(channel, client)
    except BaseException:
        connection.close()
        raise
    return client
