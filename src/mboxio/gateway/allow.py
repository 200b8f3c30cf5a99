"""Who may do what: a small file, and all that it does not allow is denied.

::

    [alice]                                  # a name in a certificate, or of a local user
    "board1/pmic" = ["notifications", "request"]
    "board1/*" = ["observe"]
    "pi/property" = ["request", "tag:0x30010"]

    [bob]
    "*/*" = ["observe"]

Of the entries of one user the most exact one counts alone: the channel of an export, then all
channels of an export, then a channel of all exports, then everything.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from mboxio.errors import AddressError
from mboxio.far.hello import NOTIFICATIONS, OBSERVE, REQUEST, RIGHTS

__all__ = ["NOTHING", "AllowList", "Grant"]


@dataclass(frozen=True)
class Grant:
    """What one user may do on one channel.

    Args:
        rights: some of `RIGHTS`; any of them means `OBSERVE`, too.
        dangers: what is refused otherwise, by the names that `mboxio.gateway.dangers` has for it.
    """

    rights: frozenset[str] = frozenset()
    dangers: frozenset[str] = frozenset()

    @classmethod
    def of(cls, words: list[str], where: str) -> "Grant":
        """Take the words of an entry; raises AddressError."""
        rights = {each for each in words if each in RIGHTS}
        dangers = {each for each in words if ":" in each}
        unknown = [each for each in words if each not in rights | dangers]
        if unknown:
            known = ", ".join(RIGHTS)
            raise AddressError(f"{where}: {unknown[0]!r} is none of {known}, nor kind:value")
        if rights:
            rights.add(OBSERVE)
        return cls(frozenset(rights), frozenset(dangers))

    def covers(self, other: "Grant") -> bool:
        """Return whether it allows all that another does."""
        return self.rights >= other.rights and self.dangers >= other.dangers

    def read_only(self) -> "Grant":
        """Return it without the right to send anything."""
        return Grant(self.rights - {REQUEST})


NOTHING = Grant()
EVERYTHING = Grant(frozenset({OBSERVE, NOTIFICATIONS, REQUEST}))


class AllowList:
    """The entries of an allow-list.

    Args:
        entries: by user, then by ``export/channel``, either of them perhaps ``*``.
    """

    def __init__(self, entries: Mapping[str, Mapping[str, Grant]]) -> None:
        self.entries = entries

    @classmethod
    def everything_for(cls, user: str) -> "AllowList":
        """Return the list that allows one user everything but what is dangerous."""
        return cls({user: {"*/*": EVERYTHING}})

    @classmethod
    def read(cls, path: str | Path) -> "AllowList":
        """Read a file.

        Raises:
            AddressError: it cannot be read, or says something that has no meaning.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeError) as error:
            told = getattr(error, "strerror", None) or error
            raise AddressError(f"the allow-list {path} cannot be read: {told}") from None
        return cls.parse(text, str(path))

    @classmethod
    def parse(cls, text: str, where: str = "allow-list") -> "AllowList":
        """Take the text of a file; raises AddressError."""
        try:
            found = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise AddressError(f"{where}: {error}") from None
        entries: dict[str, dict[str, Grant]] = {}
        for user, channels in found.items():
            if not isinstance(channels, dict):
                raise AddressError(f"{where}: {user!r} is outside of a [user]")
            entries[user] = {}
            rights = cast("dict[str, object]", channels)
            for name, words in rights.items():
                place = f"{where}: [{user}] {name!r}"
                if name.count("/") != 1:
                    raise AddressError(f"{place}: write export/channel, either of them perhaps *")
                if not isinstance(words, list) or not all(
                    isinstance(each, str) for each in cast("list[object]", words)
                ):
                    raise AddressError(f"{place}: write a list of texts, such as ['observe']")
                entries[user][name] = Grant.of(cast("list[str]", words), place)
        return cls(entries)

    def knows(self, user: str) -> bool:
        """Return whether there is anything about a user."""
        return user in self.entries

    def grant(self, user: str, export: str, channel: str) -> Grant:
        """Return what a user may do on a channel."""
        channels = self.entries.get(user, {})
        for name in (f"{export}/{channel}", f"{export}/*", f"*/{channel}", "*/*"):
            found = channels.get(name)
            if found is not None:
                return found
        return NOTHING
