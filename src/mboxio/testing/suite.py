"""The table of checks, and what runs them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mboxio.testing.bench import Bench, Report
from mboxio.testing.trial import Factory, Skip, Trial

__all__ = ["Bench", "Report", "check", "check_controller", "checks"]

CheckFunction = Callable[[Trial], None]


@dataclass(frozen=True)
class Check:
    """One rule. ``needs`` are names of `trial.NEEDS`."""

    name: str
    needs: tuple[str, ...]
    opened: bool
    function: CheckFunction


CHECKS: dict[str, Check] = {}


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
    """Return the names of all checks, for a test per check."""
    return tuple(CHECKS)


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
        lacking = _run(CHECKS[name], factory)
        if lacking and strict:
            raise AssertionError(f"{name}: skipped, which strict=True forbids: {lacking}")
        if lacking:
            report.skipped[name] = lacking
        else:
            report.passed.append(name)
    return report


def _run(each: Check, factory: Factory) -> str:
    """Run one check; returns why it could not, or an empty string."""
    try:
        trial = Trial(factory)
        try:
            if each.opened:
                trial.open()
                for need in each.needs:
                    trial.require_need(need)
            each.function(trial)
        finally:
            trial.close()
    except Skip as skip:
        return str(skip)
    except AssertionError as error:
        raise AssertionError(f"{each.name}: {error}") from error
    except Exception as error:
        text = f"{each.name}: {type(error).__name__} came out of it: {error}"
        raise AssertionError(text) from error
    return ""
