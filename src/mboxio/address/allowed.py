"""What the addresses of somebody else may reach: names of controllers and regions."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from urllib.parse import unquote

from mboxio.address.address import Address
from mboxio.errors import AddressError

__all__ = ["names_of", "require_allowed", "require_name"]

NAME = re.compile(r"[\w.-]+(?=:)")
"""How a controller, or a region, inside of an option begins."""
JOINED = re.compile(r"[\w.-]+\+[\w.-]+(?=:)")
"""The same with a plus in it, which may also separate an address from a size."""
FILES = frozenset({"ca", "cert", "dtb", "elf", "key"})
"""Options that name a file to read."""
ROUNDS_MAX = 8
"""An address in an option of an address is encoded twice, and no one stacks this many."""


def names_of(allow: Collection[str] | None) -> frozenset[str] | None:
    """Return what is allowed; None: all.

    Raises:
        TypeError: it is no collection of names.
    """
    if allow is None:
        return None
    if isinstance(allow, str) or not all(isinstance(each, str) for each in allow):
        raise TypeError(f"allow is a collection of names, such as ('shm', 'peer'), not {allow!r}")
    return frozenset(allow)


def require_name(name: str, allow: frozenset[str] | None, what: str) -> None:
    """Refuse a controller or a region that is not allowed.

    Args:
        name: of it.
        allow: the names that are; None: all.
        what: is being opened, for the error.

    Raises:
        AddressError: it is not.
    """
    if allow is not None and name not in allow:
        known = ", ".join(sorted(allow)) or "nothing"
        raise AddressError(f"{what[:80]!r}: {name[:40]!r} is not allowed here; allowed: {known}")


def require_allowed(
    address: Address, allow: frozenset[str] | None, known: Callable[[], Iterable[str]]
) -> None:
    """Refuse an address that reaches something that is not allowed; opens and imports nothing.

    What its options name counts wherever it stands in them, and however often it is encoded: also
    in what only looks like a name, as drivers of other packages have options of their own.

    Args:
        address: to look at.
        allow: names of controllers and regions; None: all.
        known: returns all such names that there are.

    Raises:
        AddressError: it does.
    """
    if allow is None:
        return
    what = str(address)
    require_name(address.controller, allow, what)
    if FILES & address.options.keys():
        require_name("file", allow, what)
    texts = [address.name, address.channel, *address.options, *address.options.values()]
    named = {name for text in texts for form in _forms(text) for name in _found(form)}
    if named:
        for name in sorted(named & set(known())):
            require_name(name, allow, what)


def _found(text: str) -> list[str]:
    return NAME.findall(text) + JOINED.findall(text)


def _forms(text: str) -> Iterator[str]:
    """Yield a text as it stands, and decoded again and again until nothing changes."""
    for _ in range(ROUNDS_MAX):
        yield text.lower()
        yield text
        plain = unquote(text)
        if plain == text:
            return
        text = plain
    raise AddressError(f"{text[:40]!r} is encoded more than {ROUNDS_MAX} times")
