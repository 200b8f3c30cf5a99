# pyright: basic, reportMissingImports=false
"""Where a mailbox is, as labgrid's resources."""

import attr
from labgrid.factory import target_factory
from labgrid.resource.common import NetworkResource, Resource

from mboxio.address.address import Address
from mboxio.errors import AddressError

__all__ = ["Mailbox", "NetworkMailbox"]


def check_address(resource: object, field: "attr.Attribute[str]", value: object) -> None:
    """Refuse what is no address, when the environment is read and not when a test connects."""
    if not isinstance(value, str):
        raise TypeError(f"{field.name} of {type(resource).__name__} is a text, not {value!r}")
    try:
        Address.parse(value)
    except AddressError as error:
        raise ValueError(f"{field.name} of {type(resource).__name__}: {error}") from None


@target_factory.reg_resource
@attr.s(eq=False)
class Mailbox(Resource):
    """A mailbox that the machine of the tests reaches itself.

    Args:
        address: as for `mboxio.connect`, for example ``shm:board``.
    """

    # What it inherits has defaults that are no arguments.
    address: str = attr.ib(validator=check_address)  # pyright: ignore[reportGeneralTypeIssues]


@target_factory.reg_resource
@attr.s(eq=False)
class NetworkMailbox(NetworkResource):
    """A mailbox of a board in the lab, behind a gateway.

    Args:
        host: the machine that the board hangs on.
        address: of the gateway, for example ``grpc+ssh:lab1/board1``.
    """

    # What it inherits has defaults that are no arguments.
    address: str = attr.ib(validator=check_address)  # pyright: ignore[reportGeneralTypeIssues]
