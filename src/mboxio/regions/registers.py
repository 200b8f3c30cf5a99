"""Registers, declared once with named and typed bit fields, and bound to a region.

::

    class Status(Register, offset=0x18):
        full = Bit(31)
        empty = Bit(30)
        level = Field(0, 8)

    class Config(Setting, offset=0x1C):
        data_irq = Bit(0)

    status, config = Status.at(region), Config.at(region)
    if not status.read().empty:           # one access, then a value with typed fields
        config.write(data_irq=True)       # one access; what is not named is 0
        config.modify(data_irq=False)     # a read and a write; only a Setting has it
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Generic, Self, TypeVar, overload

from mboxio.errors import RemoteError
from mboxio.regions.region import FORMATS, Region

__all__ = ["Bit", "Bound", "BoundSetting", "Field", "Register", "Setting"]

T = TypeVar("T", bound=int)
R = TypeVar("R", bound="Register", covariant=True)
S = TypeVar("S", bound="Setting", covariant=True)


class Field(Generic[T]):
    """Some bits of a register: an int, or a member of an ``IntEnum``.

    Args:
        low: number of the lowest bit.
        bits: how many there are.
        kind: what the bits are read as; int if left out.
    """

    @overload
    def __init__(self: "Field[int]", low: int, bits: int) -> None: ...
    @overload
    def __init__(self, low: int, bits: int, kind: type[T]) -> None: ...
    def __init__(self, low: int, bits: int, kind: Any = int) -> None:
        if low < 0 or bits < 1:
            raise ValueError("a field begins at bit 0 or above and has at least one bit")
        self.name = ""
        self.low = low
        self.bits = bits
        self.kind = kind
        self.mask = ((1 << bits) - 1) << low

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, register: None, owner: type) -> Self: ...
    @overload
    def __get__(self, register: "Register", owner: type) -> T: ...
    def __get__(self, register: "Register | None", owner: type) -> Any:
        if register is None:
            return self
        number = (register & self.mask) >> self.low
        try:
            return self.kind(number)
        except ValueError:
            raise RemoteError(
                f"{owner.__name__}.{self.name} reads {number}, which is no {self.kind.__name__}"
            ) from None

    def into(self, word: int, value: int) -> int:
        """Return ``word`` with this field set to ``value``.

        Raises:
            ValueError: the value does not fit.
        """
        if not 0 <= value < 1 << self.bits:
            raise ValueError(f"{self.name}={value} does not fit into {self.bits} bits")
        return word & ~self.mask | int(value) << self.low


class Bit(Field[bool]):
    """One bit of a register.

    Args:
        number: which; 0 is the lowest.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number, 1, bool)


class Register(int):
    """What a register holds: a number with named fields; a subclass declares where and which.

    ``class Status(Register, offset=0x18)``: the offset is in bytes, as is ``width=`` (4 if left
    out). A subclass without an offset is a common layout for several registers.

    Args:
        word: the whole contents.
        fields: fields to set in it, by name.

    Raises:
        ValueError: a number does not fit.
        TypeError: there is no such field.
    """

    offset: ClassVar[int | None] = None
    width: ClassVar[int] = 4
    fields: ClassVar[Mapping[str, Field[Any]]] = {}

    def __init_subclass__(cls, *, offset: int | None = None, width: int | None = None) -> None:
        super().__init_subclass__()
        cls.offset = cls.offset if offset is None else offset
        cls.width = cls.width if width is None else width
        if cls.width not in FORMATS:
            raise ValueError(f"{cls.__name__}: the width is 1, 2, 4 or 8 bytes, not {cls.width}")
        fields: dict[str, Field[Any]] = dict(cls.fields)
        for name, what in vars(cls).items():
            if isinstance(what, Field):
                fields[name] = what
        cls.fields = fields
        taken = 0
        for name, field in cls.fields.items():
            if field.mask >> 8 * cls.width or field.mask & taken:
                raise ValueError(f"{cls.__name__}.{name} overlaps a field or the register's end")
            taken |= field.mask

    def __new__(cls, word: int = 0, /, **fields: int) -> Self:
        for name, value in fields.items():
            if name not in cls.fields:
                known = ", ".join(cls.fields) or "none"
                raise TypeError(f"{cls.__name__} has no field {name!r}; there are: {known}")
            word = cls.fields[name].into(word, value)
        if not 0 <= word < 1 << 8 * cls.width:
            raise ValueError(f"{word:#x} does not fit into the {cls.width} bytes of {cls.__name__}")
        return super().__new__(cls, word)

    def replace(self, **fields: int) -> Self:
        """Return the same contents with some fields changed; errors as for a new one."""
        return type(self)(self, **fields)

    @classmethod
    def at(cls, region: Region, base: int = 0) -> "Bound[Self]":
        """Bind this register to a region.

        Args:
            region: where it is.
            base: where its block begins there, in bytes.

        Raises:
            TypeError: no offset was declared.
            IndexError: the region ends before it.
            ValueError: it is not aligned to its width there.
        """
        return Bound(cls, region, base)

    def __repr__(self) -> str:
        parts = "".join(f" {name}={getattr(self, name)!r}" for name in self.fields)
        return f"<{type(self).__name__} {int(self):#0{2 + 2 * self.width}x}{parts}>"


class Setting(Register):
    """A register that holds what was written to it, so that single fields may be modified."""

    @classmethod
    def at(cls, region: Region, base: int = 0) -> "BoundSetting[Self]":
        """See `Register.at`."""
        return BoundSetting(cls, region, base)


class Bound(Generic[R]):
    """A register in a region; `Register.at` makes it. Nothing is cached."""

    __slots__ = ("kind", "offset", "region")

    def __init__(self, kind: type[R], region: Region, base: int) -> None:
        if kind.offset is None:
            raise TypeError(f"{kind.__name__} was declared without offset=")
        self.kind = kind
        self.region = region
        self.offset = base + kind.offset
        region.check(self.offset, kind.width, kind.width)

    def read(self) -> R:
        """Read the register in one access."""
        return self.kind(self.region.read(self.offset, self.kind.width))

    def write(self, word: int = 0, /, **fields: int) -> None:
        """Write the register in one access; what is not given is 0.

        Args:
            word: the whole contents.
            fields: fields to set in it, by name.
        """
        self.region.write(self.offset, self.kind(word, **fields), self.kind.width)

    def __repr__(self) -> str:
        return f"<{self.kind.__name__} at {self.offset:#x} of {self.region!r}>"


class BoundSetting(Bound[S]):
    """A register that may be modified in place; `Setting.at` makes it."""

    __slots__ = ()

    def modify(self, **fields: int) -> S:
        """Change some fields: one read, one write. Returns what was written."""
        contents = self.read().replace(**fields)
        self.write(contents)
        return contents
