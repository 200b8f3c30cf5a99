"""What a class has of its own."""

__all__ = ["overrides"]


def overrides(kind: type, base: type, names: frozenset[str]) -> bool:
    """Return whether a class below ``base`` defines one of these names, in the line of ``kind``.

    A compiled method is never the same object twice, so that ``is`` does not tell.
    """
    line = kind.__mro__
    return any(names & vars(each).keys() for each in line[: line.index(base)])
