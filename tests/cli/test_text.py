"""Whatever a remote says, a terminal shows it and never obeys it."""

import json
import logging
import os
from pathlib import Path

import pytest

from mboxio import Capabilities
from mboxio.address import catalogue
from mboxio.cli.shared.logs import logged_in_lines
from mboxio.cli.shared.output import Column, laid_out
from mboxio.cli.shared.text import LINE_MAX, json_line, printable, word
from mboxio.controllers.loopback import Loopback
from mboxio.remote import Remote
from tests.cli.conftest import Invoke, Run, one_line

HOSTILE = [
    "\x1b]0;title\x07",  # OSC
    "\x1b[2J\x1b[31m",  # CSI
    b"\xc2\x9b2J".decode(),  # CSI as C1, in UTF-8
    b"\xc2\x9d0;t\xc2\x9c".decode(),  # OSC and ST as C1, in UTF-8
    "\x1bP1$r\x1b\\",  # DCS
    "\b\r\t\v\f\x7f\x00",
    "\u202emoc.live\u202c \u2066a\u2069 \u200f",  # writing direction
    "\u2028\u2029\u0085",  # lines, for some
    "\u200b\ufeff\U000e0041",  # nothing to see
    b"\xff\x9b".decode(errors="surrogateescape"),
]


@pytest.mark.parametrize("text", HOSTILE)
def test_printable(text: str) -> None:
    shown = printable(f"a {text} é")
    assert shown.startswith("a ")
    assert shown.endswith(" é")
    assert shown.isprintable()
    for character in text:
        assert character.isprintable() or character not in shown


def test_printable_is_one_line_that_says_what_is_wrong() -> None:
    assert printable("one\ntwo \x1b[31m é \udc80 \x9b") == r"one two \x1b[31m é \udc80 \x9b"


def test_printable_cuts_what_is_over_long() -> None:
    shown = printable("\x1b" * 1_000_000)
    assert shown == r"\x1b" * LINE_MAX + f"... ({1_000_000 - LINE_MAX} more characters)"


def test_a_word_has_no_spaces() -> None:
    assert word("a b\x1b") == r"a\x20b\x1b"
    assert word("x" * 1000) == "x" * 200 + "...(800)"
    assert word("") == "-"


def test_json_is_printable_and_the_same_again() -> None:
    found = "".join(HOSTILE)
    assert json_line(found).isprintable()
    assert json.loads(json_line(found)) == found


@pytest.mark.parametrize("text", HOSTILE)
def test_errors_of_the_remote(remote: Remote, invoke: Invoke, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode(errors="surrogateescape").decode("latin-1")

    @remote.handler("small")
    def small(message: bytes) -> bytes:
        raise ValueError(text)

    result = invoke("request", "shm:t/small", "x")
    assert result.exit_code == 1
    logged, failed = result.stderr.splitlines()  # the remote is in this process, too
    assert logged.isprintable()
    assert failed.isprintable()


def test_what_the_library_logs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = logging.getLogger("mboxio")
    monkeypatch.setattr(logger, "propagate", False)  # workers cannot report half characters
    with logged_in_lines():
        logger.warning("the remote says %s", "\n".join(HOSTILE))
    assert one_line(capsys.readouterr().err.encode()).isprintable()


NAME = "a\x1b[2J\u202e \x9bb"


class Hostile(Loopback):
    """A controller whose firmware has chosen the name of its channel."""

    def open(self) -> None:
        self.queue = self.add_queue(Capabilities(depth=2, message_bytes=64, matches_replies=True))
        self.channels = [self.add_channel(NAME, self.queue)]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("list hostile:", ""),
        ("bench hostile: --seconds 0.01 --in-flight 1,8", "has depth 2"),
        ("request hostile:/other x", "no channel 'other'; there are"),
        (f"request hostile: {'x' * 65}", "has 65 bytes"),
        ("listen hostile: --timeout-s 0.01", "no message"),
    ],
)
def test_names_of_channels(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, command: str, told: str
) -> None:
    monkeypatch.setitem(catalogue.BUILT_IN, "hostile", f"{__name__}:Hostile")
    result = invoke(*command.split())
    assert told in result.stderr
    for line in [*result.stdout.split("\n"), *result.stderr.split("\n")]:
        assert line.isprintable()
    assert (r"a\x1b[2J\u202e \x9bb" in result.stdout) is command.startswith("list ")


def test_an_encoding_that_lacks_our_characters(
    remote: Remote, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    result = run("bench", "shm:t/echo", "--seconds", "0.01", "--in-flight", "1")
    assert b"  us each  " in result.stdout
    assert b"\\x" not in result.stdout


NAMES = [Column("name", right=False), Column("number")]
ROWS = [["one", "1"], ["twenty", "20,000"]]


def test_a_table() -> None:
    assert laid_out(NAMES, ROWS, None) == [
        "name    number",
        "one          1",
        "twenty  20,000",
    ]
    assert laid_out(NAMES, ROWS, 14) == laid_out(NAMES, ROWS, None)


def test_a_table_that_is_too_wide_is_folded_and_not_cut() -> None:
    assert laid_out(NAMES, ROWS, 13) == [
        "name    one",
        "number  1",
        "",
        "name    twenty",
        "number  20,000",
    ]


def test_a_name_that_is_not_shown_is_no_name(tmp_path: Path, invoke: Invoke) -> None:
    """The name of a file is not from the remote, but it may be from anywhere."""
    file = tmp_path / "a\x1b[2J.dtb"
    file.write_bytes(os.urandom(8))
    result = invoke("list", "--dtb", str(file))
    assert one_line(result.stderr_bytes).isprintable()
    assert result.exit_code == 2
