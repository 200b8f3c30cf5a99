"""Is a queue worth it: page, pictures and data agree, and the simulation agrees with theory."""

import re
from collections.abc import Sequence
from xml.etree import ElementTree

import pytest

from benchmarks.report import markdown
from benchmarks.setting import ROOT
from benchmarks.worth.facts import facts
from benchmarks.worth.findings import gain, least_on_deposit
from benchmarks.worth.grid import points
from benchmarks.worth.picture import drawn, drawn_small
from benchmarks.worth.run import Row, measured, read
from benchmarks.worth.tables import tables
from benchmarks.worth.theory import CASES, check, erlang_c, mean_of_mmc, rate_of_repair

pytestmark = pytest.mark.once

PAGE = ROOT / "docs" / "is-a-queue-worth-it.md"
NEARLY = 0.05
EVERY = 75
REPAIR = next(number for number, case in enumerate(CASES) if "16 clients, 4" in case.model)
EXACT = [
    number for number, case in enumerate(CASES) if case.model.startswith(("D/D/1", "one slot"))
]


@pytest.fixture(scope="module")
def rows() -> Sequence[Row]:
    """The data of the page."""
    return read()


@pytest.fixture(scope="module")
def text() -> str:
    """The page."""
    return PAGE.read_text()


def test_what_the_page_says_is_in_the_data(rows: Sequence[Row], text: str) -> None:
    words = " ".join(text.split())
    missing = [fact for fact in facts(rows) if fact not in words]
    assert not missing, "make study changed what the page has to say"


def test_no_other_numbers_stand_in_the_answer(rows: Sequence[Row], text: str) -> None:
    answer = " ".join(text[text.index("\n1. **") : text.index("So before adding slots")].split())
    for fact in facts(rows):
        answer = answer.replace(fact, "")
    left = re.findall(r"[\d.]+(?:%| times| to \d+ times| thousand| million)", answer)
    assert not left, "nobody checks these"


def test_the_tables_are_those_of_the_data(rows: Sequence[Row], text: str) -> None:
    for name, cells in tables(rows):
        assert f"<!-- bench: worth {name} -->\n{markdown(cells)}<!-- end -->" in text, name


def test_the_pictures_are_those_of_the_data(rows: Sequence[Row]) -> None:
    for name, picture in (("", drawn(rows)), ("-small", drawn_small(rows))):
        assert (ROOT / f"docs/is-a-queue-worth-it{name}.svg").read_text() == picture
        ElementTree.fromstring(picture)


def test_the_data_has_every_point(rows: Sequence[Row]) -> None:
    assert [place(row) for row in rows] == [
        (each.cut, str(each.at), each.board.tx_done, each.board.depth, each.board.workers)
        for each in points()
    ]


@pytest.mark.parametrize("number", range(0, 822, EVERY))
def test_a_point_simulated_again_is_what_the_data_says(rows: Sequence[Row], number: int) -> None:
    """Not to the last digit: another look of the core is no reason to measure all of it again."""
    point = list(points())[number]
    found, kept = measured(point), rows[number]
    assert place(found) == place(kept)
    for name in ("per_second", "p50_us", "accesses"):
        assert getattr(found, name) == pytest.approx(getattr(kept, name), rel=NEARLY), name


def test_who_is_right_depends_on_the_firmware(rows: Sequence[Row]) -> None:
    main = [row for row in rows if row.cut == "main"]
    assert gain(main, 0.1, "irq", 1, 64) < 1.1, "serial, told early: one active message is enough"
    assert gain(main, 0.1, "ack", 16, 16) > 10, "parallel, told late: it is not"
    assert least_on_deposit(main) > 0.9, "TX done on deposit is nearly as fast"


@pytest.mark.parametrize("number", [REPAIR, *EXACT])
def test_the_simulation_is_what_theory_says(number: int) -> None:
    seeds, requests = (4, 3000) if number == REPAIR else (2, 500)
    assert check(number, seeds, requests).error < 0.02


def test_theory_is_what_books_say() -> None:
    assert erlang_c(1, 0.5) == pytest.approx(0.5), "M/M/1 waits while it is busy"
    assert erlang_c(2, 0.5) == pytest.approx(1 / 3)
    assert mean_of_mmc(1, 0.5, 20) == pytest.approx(40)
    assert rate_of_repair(1, 1, 60, 20) == pytest.approx(1e6 / 80)
    assert rate_of_repair(64, 1, 1, 20) == pytest.approx(50_000), "all wait at the one worker"


def test_theory_in_the_page_is_within_two_per_cent(text: str) -> None:
    (table,) = re.findall(r"<!-- bench: worth theory -->\n(.*?)<!-- end -->", text, re.S)
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.split("\n")]
    cases = [cells for cells in lines if len(cells) == 6][2:]
    assert [cells[:3] for cells in cases] == [
        [case.model, case.quantity, f"{case.expected:,.2f}"] for case in CASES
    ]
    assert all(float(each.rstrip("%")) < 2 for cells in cases for each in cells[4:])


def place(row: Row) -> tuple[object, ...]:
    """Return where a row belongs."""
    return row.cut, row.at, row.tx_done, row.depth, row.workers
