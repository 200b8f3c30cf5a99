"""Whether the demo kept what the library guarantees, by two counts: ours and the library's."""

from collections.abc import Iterator, Mapping
from typing import Any

from mboxio import ChannelStats
from mboxio.cli.demo.requests import RequestsShow
from mboxio.cli.shared.output import Column

__all__ = ["COLUMNS", "broken", "found", "table"]


def broken(show: RequestsShow) -> list[str]:
    """Return what went wrong, in words; nothing if all guarantees were kept."""
    return [*_requests(show), *_others(show), *show.silent]


def count_held(stats: Mapping[str, ChannelStats]) -> int:
    """Count what outlived its request on any channel."""
    return sum(
        each.held_slots + each.held_credits + len(each.held_tags) + each.held_memory
        for each in stats.values()
    )


def _requests(show: RequestsShow) -> Iterator[str]:
    power, counted = show.power, show.stats["power"]
    if power.mispaired or counted.unknown:
        yield f"{power.mispaired} replies went to the wrong request, {counted.unknown} to none"
    if power.pending or power.sent != power.answered + power.failed:
        yield f"{power.sent - power.answered - power.failed} requests did not end"
    if (power.answered, power.failed) != (counted.done, counted.failed):
        yield f"the library counts {counted.done} done and {counted.failed} failed requests"
    wrong = [kind for kind, _, _ in (*power.ends, *show.legacy.ends) if kind != "RemoteGone"]
    if wrong:
        yield f"requests ended with {', '.join(sorted(set(wrong)))}"
    if show.gain < 1:
        yield f"{show.gain:.2f} times the requests per second with many in flight"


def _others(show: RequestsShow) -> Iterator[str]:
    legacy = show.legacy
    if legacy.due or legacy.sent != legacy.tx_done + legacy.failed:
        yield f"{legacy.sent - legacy.tx_done - legacy.failed} one-way messages did not end"
    if legacy.disordered or legacy.unprepared:
        yield f"{legacy.disordered + legacy.unprepared} one-way messages out of order"
    if show.sensor.disordered:
        yield f"{show.sensor.disordered} unsolicited messages out of order"
    if show.host.wrong:
        yield f"{show.host.wrong} of the remote's requests got a wrong answer"
    if unanswered := show.asked.remote_requests - show.host.answered:
        yield f"{unanswered} of the remote's requests were not answered"
    if count := count_held(show.stats):
        yield f"{count} slots, credits or tags are held"
    for name, each in show.stats.items():
        # An answer to the remote may be on its way at any time.
        if name != "host" and (each.in_flight or each.queued):
            yield f"channel {name}: {each.in_flight} in flight and {each.queued} queued"


COLUMNS = (
    Column("channel", right=False),
    Column("what", right=False),
    *map(Column, ("sent", "answered", "failed", "late", "mispaired")),
)


def table(show: RequestsShow) -> list[list[str]]:
    """Return what happened on each channel: rows for `COLUMNS`."""
    return [
        [name, what, *("-" if each is None else f"{each:,}" for each in counts)]
        for name, what, *counts in rows(show)
    ]


def found(show: RequestsShow, faults: list[str]) -> dict[str, Any]:
    """Return the same as data, with what was broken."""
    names = [column.name for column in COLUMNS]
    return {
        "channels": [dict(zip(names, row, strict=True)) for row in rows(show)],
        "gain": round(show.gain, 2),
        "held": count_held(show.stats),
        "seconds": round(show.spent_s, 3),
        "broken": faults,
    }


def rows(show: RequestsShow) -> list[tuple[str, str, *tuple[int | None, ...]]]:
    """Count what happened on each channel; None: there is no such thing on it."""
    made: list[tuple[str, str, *tuple[int | None, ...]]] = []
    power, sensor, host, legacy = show.power, show.sensor, show.host, show.legacy
    late, asked = show.stats["power"].late, show.asked

    def add(name: str, what: str, *counts: int | None) -> None:
        made.append((name, what, *counts))

    heard = sensor.received + sensor.lost
    unanswered = asked.remote_requests - host.answered
    add("power", "requests", power.sent, power.answered, power.failed, late, power.mispaired)
    add("sensor", "unsolicited messages", heard, None, sensor.lost, None, None)
    add("host", "remote requests", asked.remote_requests, host.answered, unanswered, 0, host.wrong)
    add("legacy", "messages (TX done)", legacy.sent, legacy.tx_done, legacy.failed, None, None)
    return made
