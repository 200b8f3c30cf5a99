"""Two threads in C over the header, also under ThreadSanitizer, which must find what is missing."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools import compile_c, emulator, lacks, tool, without_preloads

pytestmark = pytest.mark.once

HERE = Path(__file__).parent
SANITIZER = ("-fsanitize=thread", "-g")
COPIES = ("-UMBOXIO_WORD_COPIES", "-DMBOXIO_WORD_COPIES")
FOUND = 66
"""How ThreadSanitizer ends a program in which it found something."""

RELAXED = {
    "release": (
        "-DMBOXIO_PUBLISH(word,value)=__atomic_store_n((word),(value),__ATOMIC_RELAXED)",
        "-DMBOXIO_OBSERVE(word)=__atomic_load_n((word),__ATOMIC_ACQUIRE)",
    ),
    "acquire": (
        "-DMBOXIO_PUBLISH(word,value)=__atomic_store_n((word),(value),__ATOMIC_RELEASE)",
        "-DMBOXIO_OBSERVE(word)=__atomic_load_n((word),__ATOMIC_RELAXED)",
    ),
}


def run(*command: object) -> "subprocess.CompletedProcess[str]":
    """Run a program and keep what it says."""
    words = [*emulator(), *(str(each) for each in command)]
    return subprocess.run(words, env=without_preloads(), capture_output=True, text=True)


def run_sanitized(program: Path, messages: int) -> "subprocess.CompletedProcess[str]":
    """Run a program under ThreadSanitizer, which some systems put where it cannot work."""
    ended = run(program, messages)
    if "unexpected memory mapping" in ended.stderr:
        ended = run(tool("setarch"), "--addr-no-randomize", program, messages)
    return ended


@pytest.fixture(scope="module")
def sanitizer(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Return the options for ThreadSanitizer, where its library is installed."""
    if sys.maxsize < 1 << 32:
        pytest.skip("ThreadSanitizer needs 64-bit addresses")
    if emulator():
        pytest.skip("ThreadSanitizer needs the memory as the kernel lays it out")
    folder = tmp_path_factory.mktemp("sanitizer")
    (folder / "nothing.c").write_text("int main(void) { return 0; }\n")
    try:
        compile_c(folder / "nothing.c", folder / "nothing", *SANITIZER)
    except subprocess.CalledProcessError:
        lacks("libtsan")
    return SANITIZER


@pytest.mark.parametrize("framed", ["0", "1"])
@pytest.mark.parametrize("copies", COPIES)
def test_every_message_arrives_whole(tmp_path: Path, framed: str, copies: str) -> None:
    options = ("-pthread", f"-DFRAMED={framed}", copies)
    program = compile_c(HERE / "stress.c", tmp_path / "stress", *options)
    assert run(program, 10_000).returncode == 0


@pytest.mark.parametrize("fences", ["own", "promise"])
def test_nobody_sleeps_for_ever(tmp_path: Path, fences: str) -> None:
    program = compile_c(HERE / "doorbells.c", tmp_path / "doorbells", "-pthread")
    ended = run(program, 10_000, fences)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("source", ["stress.c", "doorbells.c"])
@pytest.mark.parametrize("copies", COPIES)
def test_thread_sanitizer_finds_nothing(
    tmp_path: Path, sanitizer: tuple[str, ...], source: str, copies: str
) -> None:
    program = compile_c(HERE / source, tmp_path / "program", "-pthread", *sanitizer, copies)
    ended = run_sanitized(program, 5_000)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("missing", RELAXED)
def test_thread_sanitizer_finds_what_is_missing(
    tmp_path: Path, sanitizer: tuple[str, ...], missing: str
) -> None:
    """With `doorbells.c` a busy machine may find nothing: semaphores put the threads in order."""
    options = ("-pthread", *sanitizer, *RELAXED[missing])
    ended = run_sanitized(compile_c(HERE / "stress.c", tmp_path / "program", *options), 2_000)
    assert ended.returncode == FOUND
    assert "data race" in ended.stderr
