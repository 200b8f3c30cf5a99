"""Both sides say where they run: a hint, in the memory, which nobody has to believe."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

import mboxio.ring
from mboxio.regions import Memory
from mboxio.ring import implementations
from mboxio.ring.layout import HOST_ARMED, REMOTE_ARMED
from tests.tools import compile_c

CPU = 12
"""Where the word lies, in bytes from the armed word."""
CPUS = sorted(os.sched_getaffinity(0))

knows = pytest.mark.skipif(len(implementations()) == 1, reason="the pure build does not know")

IN_C = r"""
static unsigned where, stores;
#define MBOXIO_CPU() where
#define MBOXIO_PUBLISH(word, value) (stores++, (void)(*(word) = (value)))
#define MBOXIO_OBSERVE(word) (*(word))
#include "mboxio_process.h"

int main(void)
{
    static volatile struct mboxio_memory memory;
    uint32_t said = 0;
    if (offsetof(struct mboxio_memory, host_cpu) != 64 + 12 ||
        offsetof(struct mboxio_memory, remote_cpu) != 128 + 12 || MBOXIO_CPU_WORD != 3)
        return 1;
    if (mboxio_shares_cpu(&memory.remote_armed, &memory.host_armed, &said) || stores)
        return 2; /* two that do not know are not together */
    where = 3;
    if (mboxio_shares_cpu(&memory.remote_armed, &memory.host_armed, &said) ||
        memory.remote_cpu != 3)
        return 3; /* an old host says nothing */
    memory.host_cpu = 3;
    if (!mboxio_shares_cpu(&memory.remote_armed, &memory.host_armed, &said) || stores != 1)
        return 4; /* said once */
    memory.host_cpu = 0xFFFFFFFFu;
    if (mboxio_shares_cpu(&memory.remote_armed, &memory.host_armed, &said))
        return 5;
    where = 4;
    if (mboxio_say_cpu(&memory.remote_armed, &said) != 4 || memory.remote_cpu != 4 || stores != 2)
        return 6;
    return memory.remote_armed || memory.remote_promise || memory.heartbeat ? 7 : 0;
}
"""


def on(cpu: int, call: Callable[[], bool]) -> bool:
    """Call in a thread that runs on this CPU only."""
    results: list[bool] = []

    def run() -> None:
        os.sched_setaffinity(0, {cpu})
        results.append(call())

    thread = Thread(target=run)
    thread.start()
    thread.join()
    return results[0]


def both() -> tuple[Memory, mboxio.ring.Armed, mboxio.ring.Armed]:
    memory = Memory(bytearray(256))
    remote = mboxio.ring.armed(memory, REMOTE_ARMED, HOST_ARMED)
    return memory, remote, mboxio.ring.armed(memory, HOST_ARMED, REMOTE_ARMED)


@pytest.mark.once
@pytest.mark.parametrize("options", [("-D_GNU_SOURCE",), ("-D_DEFAULT_SOURCE",)], ids=str)
def test_the_words_in_c(tmp_path: Path, options: tuple[str, ...]) -> None:
    source = tmp_path / "cpu.c"
    source.write_text(IN_C)
    program = compile_c(source, tmp_path / "cpu", *options)
    assert subprocess.run([program]).returncode == 0
    # Without the hook: who cannot ask the system says that it does not know.
    source.write_text(
        '#include "mboxio_process.h"\nint main(void)'
        " { uint32_t w[4] = {0}, said = 0; return mboxio_say_cpu(w, &said) == 0; }"
    )
    program = compile_c(source, tmp_path / "cpu", *options)
    assert subprocess.run([program]).returncode == ("GNU" not in options[0])


@knows
def test_each_side_says_where_it_runs() -> None:
    memory, remote, host = both()
    assert not on(CPUS[0], remote.shares_cpu), "the host has said nothing yet"
    assert memory.read(REMOTE_ARMED + CPU, 4) == CPUS[0] + 1
    assert on(CPUS[0], host.shares_cpu)
    assert on(CPUS[0], remote.shares_cpu)
    if len(CPUS) > 1:
        assert not on(CPUS[1], host.shares_cpu)
        assert not on(CPUS[0], remote.shares_cpu)
        assert on(CPUS[1], remote.shares_cpu)
    assert on(CPUS[0], host.arm), "it also says so before a sleep"
    assert memory.read(HOST_ARMED + CPU, 4) == CPUS[0] + 1


@knows
@pytest.mark.parametrize("word", [0, CPUS[-1] + 2, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_no_other_word_is_our_cpu(word: int) -> None:
    memory, _, host = both()
    memory.write(REMOTE_ARMED + CPU, word, 4)
    assert not on(CPUS[-1], host.shares_cpu)
    memory.write(HOST_ARMED + CPU, 77, 4)  # the other side wrote into our line
    assert not on(CPUS[-1], host.shares_cpu)


def test_who_does_not_know_says_nothing() -> None:
    memory = Memory(bytearray(256))
    remote = implementations()[0].armed(memory, REMOTE_ARMED, HOST_ARMED)
    memory.write(HOST_ARMED + CPU, 1, 4)
    assert not remote.shares_cpu()
    assert memory.read(REMOTE_ARMED + CPU, 4) == 0
