"""The table of checks, and what runs them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import FunctionType

from mboxio.errors import QueueFull, RequestTimeout
from mboxio.testing.bench import Bench, Report
from mboxio.testing.hints import USUAL, lacking
from mboxio.testing.trial import Factory, Overdue, Skip, Trial

__tracebackhide__ = True  # pytest shows the test and the driver, not what lies between

__all__ = ["Bench", "Report", "check", "check_controller", "checks"]

CheckFunction = Callable[[Trial], None]
FOUNDATIONS = (
    "opens and declares sane channels",
    "a request gets its own reply",
    "a one-way message is over at TX done",
)
"""What fails here fails nearly everywhere, so these come first."""


@dataclass(frozen=True)
class Check:
    """One rule. ``needs`` are names of `trial.NEEDS`."""

    name: str
    needs: tuple[str, ...]
    opened: bool
    function: CheckFunction


CHECKS: dict[str, Check] = {}
_fallen: dict[object, str] = {}
"""Which foundation failed, by what tells one factory from another."""


def check(name: str, *needs: str, opened: bool = True) -> Callable[[CheckFunction], CheckFunction]:
    """Add a function to the table of checks.

    Args:
        name: the rule in words.
        needs: what the bench or the channel must offer, else the check is skipped.
        opened: whether the function gets its controller opened.
    """

    def add(function: CheckFunction) -> CheckFunction:
        if name in CHECKS:
            raise ValueError(f"there is a check {name!r} already")
        CHECKS[name] = Check(name, needs, opened, function)
        return function

    return add


def checks() -> tuple[str, ...]:
    """Return the names of all checks, for a test per check: first those that others build on."""
    return (*FOUNDATIONS, *(name for name in CHECKS if name not in FOUNDATIONS))


def check_controller(
    factory: Factory, *, only: Iterable[str] | None = None, strict: bool = False
) -> Report:
    """Run every check, each on a new controller.

    Args:
        factory: returns a new, unopened controller, or a `Bench` with one; called at least once
            per check.
        only: names of the checks to run; all if left out.
        strict: whether a check that cannot run is a failure.

    Returns:
        What passed and what was skipped; `Report.or_skip` tells the test runner of the latter.

    Raises:
        AssertionError: the driver breaks a rule; names the check and what was wrong.
        ValueError: ``only`` names an unknown check.
    """
    wanted = checks() if only is None else tuple(only)
    unknown = [name for name in wanted if name not in CHECKS]
    if unknown:
        raise ValueError(f"no check {unknown[0]!r}; there are: {'; '.join(CHECKS)}")
    report = Report()
    for name in wanted:
        try:
            lacks = _builds_on(CHECKS[name], factory) or _run(CHECKS[name], factory)
        except AssertionError as error:
            if name in FOUNDATIONS:
                _remember(factory, name)
                _tell_how_many(error, len(wanted) - wanted.index(name) - 1)
            raise
        if lacks and strict:
            raise AssertionError(f"{name}: skipped, which strict=True forbids: {lacks}")
        if lacks:
            report.skipped[name] = lacks
        else:
            report.passed.append(name)
    return report


def _key(factory: Factory) -> object:
    """Return what is the same for the same factory only; None if that cannot be told.

    A function that is made again for each test is the same one if nothing but its code counts.
    """
    if isinstance(factory, type):
        return factory
    if not isinstance(factory, FunctionType):
        return None
    bound = factory.__closure__ or factory.__defaults__ or factory.__kwdefaults__
    return None if bound else (factory.__code__, factory.__module__)


def _remember(factory: Factory, name: str) -> None:
    key = _key(factory)
    if key is not None:
        _fallen[key] = name


def _builds_on(each: Check, factory: Factory) -> str:
    """Say on which check that failed this one builds; an empty string if on none."""
    key = _key(factory)
    fallen = _fallen.get(key)
    if fallen == each.name:
        del _fallen[key]  # another try
    if fallen is None or not each.opened:
        return ""
    beneath = FOUNDATIONS[: FOUNDATIONS.index(fallen) + 1]
    return "" if each.name in beneath else f"not run, as it builds on {fallen!r}, which failed"


def _tell_how_many(error: AssertionError, left: int) -> None:
    if left:
        error.args = (f"{error}\nnot run, as they build on it: the {left} checks that follow",)


def _run(each: Check, factory: Factory) -> str:
    """Run one check; returns why it could not, or an empty string."""
    hint = ""
    try:
        trial = Trial(factory)
        try:
            if each.opened:
                trial.open()
                for need in each.needs:
                    trial.require_need(need)
            each.function(trial)
        except (Overdue, RequestTimeout, QueueFull):
            hint = lacking(trial)
            raise
        finally:
            trial.close()
    except Skip as skip:
        return str(skip)
    except AssertionError as error:
        raise _failure(each, str(error), hint, error) from error.__cause__
    except Exception as error:
        text = f"{type(error).__name__} came out of it: {error}"
        raise _failure(each, text, hint, error) from error.__cause__
    return ""


def _failure(each: Check, text: str, hint: str, error: Exception) -> AssertionError:
    """Make the one error that is seen: by name, and with the frames in which it arose."""
    lines = [f"{each.name}: {text}"]
    if hint:
        lines.append(f"likely: {hint}")
    if each.name in USUAL:
        lines.append(f"often: {USUAL[each.name]}")
    where = error.__traceback__
    return AssertionError("\n".join(lines)).with_traceback(where and where.tb_next)
