"""Seeds with faults, with a bar while they run; what fails is made small."""

from collections import Counter

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from mboxio import MailboxError, _build
from mboxio.cli.shared.signals import Signals
from mboxio.cli.shared.text import json_line, printable
from mboxio.sim.swarm import Campaign, Result, Verdict, run, shrink

__all__ = ["examine_seeds"]


class Failed(MailboxError):
    """A simulation found what must not be."""


def examine_seeds(campaign: Campaign, as_json: bool) -> None:
    """Run seeds and print what happened.

    Raises:
        MailboxError: a seed failed; what it takes was printed.
    """
    terminal = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}"))
    with (
        Signals() as signals,
        Progress(
            *columns, console=terminal, transient=True, disable=not terminal.is_terminal
        ) as progress,
    ):
        total = campaign.seeds if campaign.requests is None else campaign.requests
        task = progress.add_task("simulating", total=total, told="")

        def tick(found: Result) -> None:
            signals.check()
            completed = found.seeds if campaign.requests is None else found.requests
            told = f"{found.requests:,} requests, {len(found.failures)} seeds failed"
            progress.update(task, completed=completed, told=told)

        found = campaign.run(tick)
        failures: list[Verdict] = []
        for verdict in found.failures[:1]:
            progress.update(task, description="making it small")
            failures.append(made_small(verdict))
    failures += found.failures[1:]
    if as_json:
        told = vars(found) | {"failures": [failure(each) for each in failures]}
        click.echo(json_line({"build": _build.summary(), **told}))
    else:
        for line in lines(found):
            click.echo(printable(line))
        for each in failures:
            click.echo(printable(each.scenario.command()))
            click.echo(printable(f"  {each.problems[0]}"))
    if failures:
        raise Failed(f"{len(failures)} of {found.seeds} seeds failed")


def made_small(verdict: Verdict) -> Verdict:
    """Return what is left of a failure that is made small."""
    small = run(shrink(verdict.scenario, lambda scenario: bool(run(scenario).problems)))
    return small if small.problems else verdict  # it failed only in comparison with itself


def failure(verdict: Verdict) -> dict[str, object]:
    """Return a failure for a program."""
    return {
        "seed": verdict.scenario.seed,
        "command": verdict.scenario.command(),
        "problems": list(verdict.problems),
    }


def lines(found: Result) -> list[str]:
    """Return what happened, in words."""
    cost_us = found.cpu_s / max(1, found.requests) * 1e6
    return [
        f"{found.seeds:,} seeds, {found.requests:,} requests, {cost_us:.1f} µs of CPU each, "
        f"{_build.name()} build",
        f"wrong {found.wrong}, lost {found.lost}, left behind {found.left}",
        f"ends: {counted(found.ends)}",
        f"refused: {counted(found.refused) or 'none'}",
        f"faults: {counted(found.faults) or 'none'}",
    ]


def counted(counts: Counter[str]) -> str:
    """Return counts, in words."""
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
