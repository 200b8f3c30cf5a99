"""The header as firmware uses it: freestanding, strict, on narrow machines."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.tools import compile_c, tool

pytestmark = pytest.mark.once

MACHINES = {
    "gcc": ("gcc",),
    "gcc-32": ("gcc", "-m32"),
    "gcc-cortex-m0": ("arm-none-eabi-gcc", "-mthumb", "-mcpu=cortex-m0"),
    "gcc-cortex-m4": ("arm-none-eabi-gcc", "-mthumb", "-mcpu=cortex-m4"),
    "gcc-cortex-m33": ("arm-none-eabi-gcc", "-mthumb", "-mcpu=cortex-m33"),
    "gcc-cortex-r5": ("arm-none-eabi-gcc", "-mcpu=cortex-r5"),
    "gcc-arm64": ("aarch64-linux-gnu-gcc",),
    "clang": ("clang",),
    "clang-32": ("clang", "-m32"),
    "clang-cortex-m0": ("clang", "--target=thumbv6m-none-eabi"),
    "clang-cortex-m4": ("clang", "--target=thumbv7em-none-eabi"),
    "clang-arm64": ("clang", "--target=aarch64-none-elf"),
    "clang-arm64-big-endian": ("clang", "--target=aarch64_be-none-elf"),
    "clang-risc-v": ("clang", "--target=riscv32-none-elf", "-march=rv32imc"),
}
# What belongs to the compiler and not to a library: position-independent code, and the division
# that the smallest cores lack.
COMPILERS_OWN = {"_GLOBAL_OFFSET_TABLE_", "__aeabi_uidiv"}

COPIES = {
    "no-library": (),
    "words": ("-DMBOXIO_WORD_COPIES",),
    "own": (
        "-DMBOXIO_COPY(to,from,bytes)=own_copy((to),(from),(bytes))",
        "-DMBOXIO_ZERO(to,bytes)=own_zero((to),(bytes))",
    ),
}
OWN = {"own_copy", "own_zero"}

each_machine = pytest.mark.parametrize("machine", MACHINES)

EVERY_FUNCTION = r"""
#include <stddef.h>

void own_copy(void *to, const void *from, size_t bytes);
void own_zero(void *to, size_t bytes);

#include "mboxio_ring.h"

int use(struct mboxio_ring *ring, struct mboxio_memory *memory, uint32_t slots);

int use(struct mboxio_ring *ring, struct mboxio_memory *memory, uint32_t slots)
{
    struct mboxio_entry entry;
    const struct mboxio_channel_layout *table = (const void *)(memory + 1);
    int sum = mboxio_ring_at(ring, memory, 4096, &table->to_remote, 1) + mboxio_attach(ring, 1);
    mboxio_ring_init(ring, &memory->magic, &memory->epoch, memory, slots, 16, 0);
    sum += mboxio_push(ring, MBOXIO_MESSAGE, 2, memory, 3) + mboxio_free(ring);
    sum += mboxio_push(ring, MBOXIO_MESSAGE, 2, memory, slots);
    sum += mboxio_consumed(ring) + mboxio_pending(ring) + mboxio_peek(ring, &entry);
    mboxio_copy_out(memory, &entry);
    mboxio_advance(ring);
    mboxio_release(ring);
    mboxio_arm(&memory->remote_armed, 0);
    mboxio_disarm(&memory->remote_armed);
    return sum + mboxio_drop_all(ring) + mboxio_doorbell_needed(&memory->host_armed, 0);
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
    static uint32_t front, rear, armed, sleeps, rung, slots[16];
    struct mboxio_ring out, in;
    struct mboxio_entry entry;
    mboxio_ring_init(&out, &front, &rear, slots, 4, 16, 1);
    mboxio_ring_init(&in, &rear, &front, slots, 4, 16, 1);
    if (mboxio_attach(&out, 1) < 0 || mboxio_attach(&in, 0) < 0 || !same("ioioioio"))
        return 1;
    if (mboxio_push(&out, 1, 0, "abc", 3) != 1 || !same("cpc")) /* slot clean before index */
        return 2;
    if (mboxio_doorbell_needed(&armed, &rung) != 0 || !same("fio"))
        return 3;
    if (mboxio_peek(&in, &entry) != 1 || !same("ioi")) /* index before slot */
        return 4;
    mboxio_advance(&in);
    mboxio_release(&in);
    if (!same("pc"))
        return 5;
    mboxio_arm(&armed, &sleeps);
    if (!same("pcf") || mboxio_doorbell_needed(&armed, &rung) != 1 || !same("fiod"))
        return 6;
    if (mboxio_doorbell_needed(&armed, &rung) != 0 || !same("fio")) /* one for each sleep */
        return 7;
    if (mboxio_doorbell_needed(&armed, 0) != 1 || !same("fiod"))
        return 8;
    sleeps = 0xFFFFFFFFu; /* 0 and 1 mean something else */
    mboxio_arm(&armed, &sleeps);
    if (sleeps != 2 || !same("pcf"))
        return 11;
    mboxio_arm(&armed, 0);
    if (!same("pcf") || mboxio_doorbell_needed(&armed, &rung) != 1 || !same("fiod") ||
        mboxio_doorbell_needed(&armed, &rung) != 1 || !same("fiod")) /* not numbered */
        return 9;
    mboxio_disarm(&armed);
    if (!same("pc") || mboxio_doorbell_needed(0, 0) != 1 || !same("fd"))
        return 10;
    return 0;
}
"""


@each_machine
@pytest.mark.parametrize("copies", COPIES)
def test_it_compiles_freestanding(tmp_path: Path, machine: str, copies: str) -> None:
    source, compiled = tmp_path / "every_function.c", tmp_path / "every_function.o"
    source.write_text(EVERY_FUNCTION)
    for effort in ("-O0", "-Os", "-O2"):
        options = ("-ffreestanding", "-c", effort, *COPIES[copies])
        compile_c(source, compiled, *options, compiler=MACHINES[machine])
        allowed = COMPILERS_OWN | OWN if copies == "own" else COMPILERS_OWN
        assert undefined(compiled) <= allowed, effort


def undefined(compiled: Path) -> set[str]:
    """Return the names that an object file of any machine needs from elsewhere."""
    symbols = subprocess.run(
        [tool("readelf"), "--wide", "--symbols", compiled],
        check=True,
        capture_output=True,
        text=True,
    )
    return set(re.findall(r" UND (\S+)$", symbols.stdout, re.M))


def test_hosted_it_copies_with_the_library(tmp_path: Path) -> None:
    source = tmp_path / "every_function.c"
    source.write_text(EVERY_FUNCTION)
    compiled = compile_c(source, tmp_path / "every_function.o", "-c")
    assert {"memcpy", "memset"} <= undefined(compiled)


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_the_hooks_are_called_in_order(tmp_path: Path, compiler: str) -> None:
    source = tmp_path / "hooks.c"
    source.write_text(HOOKS)
    # The stand-in for a register of 32 bits needs no conversion from char.
    program = compile_c(
        source, tmp_path / "hooks", "-Wno-conversion", "-Wno-sign-conversion", compiler=(compiler,)
    )
    assert subprocess.run([program]).returncode == 0
