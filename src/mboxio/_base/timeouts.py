"""Time-outs as users write them: seconds, None for no limit, or the channel's default."""

from mboxio._base.states import FOREVER


class _Default:
    def __repr__(self) -> str:
        return "the channel's default"


DEFAULT: float = _Default()  # type: ignore[assignment]
"""A time-out left to the channel: the controller's own, else one second."""


def nanoseconds(timeout_s: float | None) -> int:
    """Turn seconds into nanoseconds, None into `FOREVER`.

    Raises:
        ValueError: negative, NaN, or infinite: "for ever" is None and must be written.
    """
    if timeout_s is None:
        return FOREVER
    if not 0 <= timeout_s < 9e9:  # with the clock's time added, in ns, still less than `FOREVER`
        raise ValueError("a time-out is 0 or more seconds and finite; None waits for ever")
    return int(timeout_s * 1e9)
