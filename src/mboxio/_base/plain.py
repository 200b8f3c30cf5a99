"""Control characters have no place in an address: protocols of lines would obey them."""

import unicodedata

from mboxio.errors import AddressError

__all__ = ["refuse_controls"]

CONTROLS = frozenset({"Cc", "Cf", "Zl", "Zp"})
"""Categories of Unicode: C0 and C1, marks of direction and others without a look, line ends."""

SHOWN = 80
"""Characters of a text that an error shows around what is wrong."""


def refuse_controls(text: str) -> None:
    """Refuse a part of an address with a control character.

    Raises:
        AddressError: there is one; the text shows it escaped.
    """
    if text.isascii() and text.isprintable():
        return
    for at, character in enumerate(text):
        if unicodedata.category(character) in CONTROLS:
            around = text[max(0, at - SHOWN // 2) : at + SHOWN // 2]
            raise AddressError(
                f"{around!a} has a control character, {character!a}: none may stand in an address"
            )
