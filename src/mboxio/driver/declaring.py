"""What a driver may declare: slips of its author are refused in one line, when it opens."""

from collections.abc import Iterable

from mboxio.driver.capabilities import Capabilities
from mboxio.driver.correlate import Correlator

__all__ = ["check_channel", "check_descriptors", "check_queue"]


def check_queue(capabilities: object, name: object) -> None:
    """Refuse what `Controller.add_queue` cannot take, with TypeError."""
    if not isinstance(capabilities, Capabilities):
        raise TypeError(f"add_queue(): {_shown(capabilities)} is no Capabilities(...)")
    if not isinstance(name, str):
        raise TypeError(f"add_queue(): name={name!r} is no str")


def check_channel(name: object, queue: object, correlator: object, queues: Iterable[object]) -> str:
    """Refuse what `Controller.add_channel` cannot take; return the name.

    Raises:
        TypeError: something of another kind, or a queue of another controller.
        ValueError: an empty name.
    """
    if not isinstance(name, str):
        raise TypeError(f"add_channel(): name={name!r} is no str")
    if not name:
        raise ValueError("add_channel(): a channel has a name, which is not empty")
    if not any(queue is each for each in queues):
        what = _shown(queue)
        raise TypeError(
            f"add_channel({name!r}): {what} is no queue that this controller got from add_queue()"
        )
    if correlator is not None and not isinstance(correlator, Correlator):
        what = _shown(correlator)
        raise TypeError(f"add_channel({name!r}): correlator={what} is no Correlator, and not None")
    return name


def check_descriptors(descriptors: Iterable[object]) -> tuple[int, ...]:
    """Refuse what `Controller.watch` cannot take, with TypeError or ValueError; return it."""
    found: list[int] = []
    for each in descriptors:
        if not isinstance(each, int) or isinstance(each, bool):
            ways = "watch(each.fileno(), ...)" if hasattr(each, "fileno") else "watch(one, two)"
            raise TypeError(f"watch(): {_shown(each)} is no descriptor: write {ways}")
        if each < 0:
            raise ValueError(f"watch(): {each} is no open descriptor")
        found.append(each)
    return tuple(found)


def _shown(value: object) -> str:
    """Return a value for a message; a class is often meant to be called."""
    if isinstance(value, type):
        return f"the class {value.__name__} (not {value.__name__}(...))"
    return repr(value)
