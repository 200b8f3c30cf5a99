"""What is measured: tables whose rows are loads and whose columns are peers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.setting import Setting

__all__ = ["TABLES", "Column", "Row", "Table"]


@dataclass(frozen=True)
class Column:
    """A peer and how it is used.

    Args:
        title: what the table says.
        fields: of `Setting`.
    """

    title: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class Row:
    """A load; ``fields`` as in `Column`."""

    title: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class Table:
    """A table of times.

    Args:
        name: how it is called on the command line and in the documents.
        title: what it shows.
        columns: who.
        rows: under which load.
        apart: host and remote have a CPU each; else both share one.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    apart: bool = True
    common: dict[str, Any] = field(default_factory=dict[str, Any])

    def setting(self, row: Row, column: Column, cpus: tuple[int, int]) -> Setting:
        """Return the setting of one cell."""
        where = cpus if self.apart else (cpus[0], cpus[0])
        return Setting(**{**self.common, **column.fields, **row.fields, "cpus": where})

    def settings(self, cpus: tuple[int, int]) -> Iterator[Setting]:
        """Yield the settings of all cells."""
        for row in self.rows:
            for column in self.columns:
                yield self.setting(row, column, cpus)


def _mboxio(way: str, remote: str, **more: Any) -> dict[str, Any]:
    return {"peer": "mboxio_shm", "way": way, "remote": remote, **more}


def _peer(peer: str, way: str = "sleep") -> dict[str, Any]:
    return {"peer": peer, "way": way}


def _rpmsg(way: str, replies: str) -> dict[str, Any]:
    return {"peer": "mboxio_rpmsg", "way": way, "remote": "python", "replies": replies}


LOADS = tuple(
    Row(f"{title}, {in_flight} in flight", {"size_bytes": size_bytes, "in_flight": in_flight})
    for size_bytes, title in ((32, "32 B"), (4096, "4 KiB"))
    for in_flight in (1, 32)
)

SPINNING = (
    Column("bare C on both sides", _peer("bare_c", "spin")),
    Column("mboxio, C remote", _mboxio("spin", "c")),
    Column("mboxio map, C remote", _mboxio("spin", "c", mapped=True)),
    Column("mboxio, Python remote", _mboxio("spin", "python")),
    Column("mboxio pure, Python remote", _mboxio("spin", "python", pure=True)),
    Column("iceoryx2 topics", _peer("iceoryx_topics", "spin")),
    Column("iceoryx2 requests", _peer("iceoryx_requests", "spin")),
)

SLEEPING = (
    Column("mboxio, C remote", _mboxio("sleep", "c")),
    Column("mboxio, Python remote", _mboxio("sleep", "python")),
    Column("mboxio as it comes", _mboxio("usual", "python")),
    Column("mboxio pure, Python remote", _mboxio("sleep", "python", pure=True)),
    Column("AF_UNIX SEQPACKET", _peer("seqpacket")),
    Column("multiprocessing.Pipe", _peer("pipe")),
    Column("pyzmq PAIR, ipc", _peer("zeromq")),
)


def _on_loop(way: str) -> tuple[Column, ...]:
    return (
        Column("bare future, no I/O", _peer("future", way)),
        Column("mboxio, C remote", _mboxio(way, "c")),
        Column("mboxio, Python remote", _mboxio(way, "python")),
        Column("Unix streams with tags", _peer("streams", way)),
    )


GROWTH = (
    Row("1 channel, depth 32, 1 client, 32 in flight", {}),
    Row("4 channels", {"channels": 4}),
    Row("16 channels", {"channels": 16}),
    Row("64 channels", {"channels": 64}),
    Row("depth 256, 256 in flight", {"depth": 256, "in_flight": 256}),
    Row("depth 1024, 1024 in flight", {"depth": 1024, "in_flight": 1024}),
    Row("4 clients", {"clients": 4}),
    Row("16 clients", {"clients": 16}),
)

DEPTH = 16
"""Descriptors of an RPMsg ring as boards have them."""

RPMSG = (
    Column("shm", _mboxio("spin", "python")),
    Column(f"virtio-rpmsg, replies=order:{DEPTH}", _rpmsg("spin", f"order:{DEPTH}")),
    Column("virtio-rpmsg, replies=source", _rpmsg("spin", "source")),
)
TABLES = (
    Table("spinning", "Both sides spin, a CPU each", SPINNING, LOADS),
    Table("sleeping", "Both sides sleep, a CPU each", SLEEPING, LOADS),
    Table("together", "Both sides sleep, on one CPU", SLEEPING, LOADS, apart=False),
    Table("asyncio", "On an event loop (asyncio), a CPU each", _on_loop("asyncio"), LOADS),
    Table("uvloop", "On an event loop (uvloop), a CPU each", _on_loop("uvloop"), LOADS),
    Table(
        "growth",
        "More channels, depth or clients; both sides spin",
        (Column("mboxio, C remote", _mboxio("spin", "c")),),
        GROWTH,
        common={"in_flight": 32},
    ),
    Table(
        "rpmsg",
        "RPMsg's rings and mboxio's own, Python remotes that spin",
        RPMSG,
        (
            Row("32 B, 1 in flight", {}),
            Row(f"32 B, {DEPTH} in flight", {"in_flight": DEPTH}),
        ),
        common={"depth": DEPTH},
    ),
)
