"""The text of an address, ``controller:name/channel?option=value``, and its parts."""

import dataclasses
import re

from mboxio._base.plain import refuse_controls
from mboxio.errors import AddressError

__all__ = ["Address"]

ELSEWHERE = re.compile(r"(?P<place>.*?\.sock|[^/]*)(?:/(?P<export>[^/]*))?(?:/(?P<channel>.*))?")
"""Of a gateway: HOST:PORT or the path of a socket, what is exported there, and the channel."""

CHARACTERS_MAX = 1 << 14
"""Longer than the longest paths that Linux takes."""


@dataclasses.dataclass(frozen=True)
class Address:
    """The parts of ``controller:name/channel?option=value``.

    Raises:
        AddressError: one of them has a control character.
    """

    controller: str
    name: str
    channel: str
    options: dict[str, str]

    def __post_init__(self) -> None:
        for part in (self.controller, self.name, self.channel, *self.options.items()):
            for text in (part,) if isinstance(part, str) else part:
                refuse_controls(text)

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Take an address apart.

        Raises:
            AddressError: it has no ``controller:``, an option without ``=``, or a control
                character.
        """
        from urllib.parse import unquote

        refuse_controls(text)
        if len(text) > CHARACTERS_MAX:
            raise AddressError(
                f"{text[:40]!r}...: an address has {CHARACTERS_MAX} characters at most"
            )
        head, _, query = text.partition("?")
        controller, colon, rest = head.partition(":")
        if not colon or not controller:
            raise AddressError(
                f"{text!r} is no address: write controller:name/channel?option=value, "
                "for example shm:demo/pmic"
            )
        if rest.startswith("//"):
            right = f", as in shm:{rest[2:]}" if controller == "shm" else ""
            raise AddressError(f"{text!r}: leave out the //{right}")
        name, channel = _split(controller, rest)
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


def _split(controller: str, rest: str) -> tuple[str, str]:
    """Return name and channel; a mailbox of another machine has its place in front of its name."""
    if controller.partition("+")[0] == "grpc":
        found = ELSEWHERE.fullmatch(rest)
        if found is not None:
            export = found["export"]
            name = found["place"] if export is None else f"{found['place']}/{export}"
            return name, found["channel"] or ""
    name, _, channel = rest.partition("/")
    return name, channel
