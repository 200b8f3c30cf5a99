"""The header as firmware uses it: freestanding, strict, on narrow machines, with threads."""

import shutil
import subprocess
from pathlib import Path

import pytest

from .support import HEADER_FOLDER

COMPILER = shutil.which("gcc") or "gcc"
STRICT = ("-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wcast-align=strict")
HERE = Path(__file__).parent

each_copy = pytest.mark.parametrize("copies", ["-UMBOXIO_WORD_COPIES", "-DMBOXIO_WORD_COPIES"])

EVERY_FUNCTION = r"""
#include "mboxio_ring.h"

int use(struct mboxio_ring *ring, struct mboxio_entry *entry, void *memory, uint32_t *armed);

int use(struct mboxio_ring *ring, struct mboxio_entry *entry, void *memory, uint32_t *armed)
{
    struct mboxio_ring_layout layout = {0};
    int sum = mboxio_ring_at(ring, memory, 4, &layout, 1) + mboxio_attach(ring, 1);
    sum += mboxio_push(ring, MBOXIO_MESSAGE, 2, memory, 3) + mboxio_free(ring);
    sum += mboxio_consumed(ring) + mboxio_pending(ring) + mboxio_peek(ring, entry);
    mboxio_copy_out(memory, entry);
    mboxio_advance(ring);
    mboxio_release(ring);
    mboxio_arm(armed);
    mboxio_disarm(armed);
    return sum + mboxio_drop_all(ring) + mboxio_doorbell_needed(armed);
}
"""

HOOKS = r"""
static unsigned events[64], count;
#define NOTE(event) (events[count++ % 64] = (event))
#define MBOXIO_PUBLISH(word, value) (NOTE('p'), (void)(*(word) = (value)))
#define MBOXIO_OBSERVE(word) (NOTE('o'), *(word))
#define MBOXIO_FULL_FENCE() NOTE('f')
#define MBOXIO_BEFORE_DOORBELL() NOTE('d')
#define MBOXIO_CACHE_CLEAN(address, bytes) ((void)(address), (void)(bytes), NOTE('c'))
#define MBOXIO_CACHE_INVALIDATE(address, bytes) ((void)(address), (void)(bytes), NOTE('i'))
#include "mboxio_ring.h"

static int same(const char *expected)
{
    unsigned at = 0;
    for (; expected[at]; at++)
        if (events[at] != (unsigned)expected[at])
            return 0;
    int done = at == count;
    count = 0;
    return done;
}

int main(void)
{
    static uint32_t front, rear, armed, slots[16];
    struct mboxio_ring out, in;
    struct mboxio_entry entry;
    mboxio_ring_init(&out, &front, &rear, slots, 4, 16, 1);
    mboxio_ring_init(&in, &rear, &front, slots, 4, 16, 1);
    if (mboxio_attach(&out, 1) < 0 || mboxio_attach(&in, 0) < 0 || !same("ioioioio"))
        return 1;
    if (mboxio_push(&out, 1, 0, "abc", 3) != 1 || !same("cpc")) /* slot clean before index */
        return 2;
    if (mboxio_doorbell_needed(&armed) != 0 || !same("fio"))
        return 3;
    if (mboxio_peek(&in, &entry) != 1 || !same("ioi")) /* index before slot */
        return 4;
    mboxio_advance(&in);
    mboxio_release(&in);
    if (!same("pc"))
        return 5;
    mboxio_arm(&armed);
    if (!same("pcf") || mboxio_doorbell_needed(&armed) != 1 || !same("fiod"))
        return 6;
    mboxio_disarm(&armed);
    if (!same("pc") || mboxio_doorbell_needed(0) != 1 || !same("fd"))
        return 7;
    return 0;
}
"""


def compile_c(source: Path, output: Path, *options: str) -> Path:
    """Compile a C file against the header; warnings are errors."""
    subprocess.run(
        [COMPILER, *STRICT, "-Werror", "-O2", *options, f"-I{HEADER_FOLDER}", source, "-o", output],
        check=True,
    )
    return output


@pytest.mark.parametrize("machine", ["-m64", "-m32"])
@each_copy
@pytest.mark.parametrize("effort", ["-O0", "-O2"])
def test_it_compiles_freestanding(tmp_path: Path, machine: str, copies: str, effort: str) -> None:
    source = tmp_path / "every_function.c"
    source.write_text(EVERY_FUNCTION)
    options = ("-ffreestanding", "-nostdlib", "-c", machine, copies, effort)
    compile_c(source, tmp_path / "every_function.o", *options)


def test_the_hooks_are_called_in_order(tmp_path: Path) -> None:
    source = tmp_path / "hooks.c"
    source.write_text(HOOKS)
    # The stand-in for a register of 32 bits needs no conversion from char.
    program = compile_c(source, tmp_path / "hooks", "-Wno-conversion")
    assert subprocess.run([program]).returncode == 0


@pytest.mark.parametrize("framed", ["0", "1"])
@each_copy
def test_two_threads(tmp_path: Path, framed: str, copies: str) -> None:
    program = compile_c(
        HERE / "stress.c", tmp_path / "stress", "-pthread", f"-DFRAMED={framed}", copies
    )
    subprocess.run([program, "100000"], check=True)
