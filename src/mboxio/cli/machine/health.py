"""Whether mboxio can do its work here: build, runtime folder, devices, and what helps."""

import importlib.metadata
import importlib.util
import os
import platform
import resource
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass

import mboxio
from mboxio import _build
from mboxio._base.texts import remote_text
from mboxio._os.whose import myself
from mboxio.address import catalogue
from mboxio.cli.machine.devices import VCIO
from mboxio.cli.machine.machine import Machine, shown
from mboxio.cli.machine.remotes import expected_folder
from mboxio.cli.machine.rpmsg import RpmsgMachine, troubles
from mboxio.cli.shared.settings import VARIABLES, WrongSetting, file, in_force
from mboxio.errors import AddressError
from mboxio.local.sockets import socket_path

__all__ = ["FAIL", "OK", "WARN", "Check", "examine"]

OK, WARN, FAIL = "ok", "warn", "fail"
ORDERED = frozenset({"x86_64", "amd64", "i386", "i486", "i586", "i686"})
"""Machines on which other processors see stores in order: there the pure build shares rings."""
OWN_FOLDER = "mkdir -m 700 ~/.mboxio; export MBOXIO_RUNTIME_DIR=~/.mboxio, for host and remote"
KNOWN = frozenset(
    {
        "MBOXIO_EXPECT_BUILD",
        "MBOXIO_EXPECT_TOOLS",
        "MBOXIO_PURE",
        "MBOXIO_RUNTIME_DIR",
        "MBOXIO_SSH",
    }
)
"""Variables of the environment that are not settings: where remotes lie, builds and tests."""
DESCRIPTORS_MIN = 256
PTRACE = {
    "0": (OK, "any process of this user"),
    "1": (OK, "only a parent, or root"),
    "2": (WARN, "root only"),
    "3": (WARN, "nobody until the next start of the machine"),
}
"""Linux, Documentation/admin-guide/LSM/Yama.rst: who may attach to a process."""
EXTRAS = {
    "click": "the command line",
    "rich": "the command line",
    "prompt_toolkit": "mboxio shell",
}
"""Packages that parts of the command line use."""
OTHERS = {
    "grpcio": "mboxio gateway, addresses grpc:",
    "labgrid": "mboxio.labgrid",
    "perfetto": "mboxio timeline",
    "prometheus_client": "mboxio.see.metrics",
    "pyocd": "the access path pyocd:",
    "textual": "mboxio monitor",
    "uvloop": "mboxio gateway at its full speed",
}
"""Packages that one thing uses, which says so where they are missing."""
MODULES = {"grpcio": "grpc"}
"""What a package is imported as, where that is another name."""
PROGRAMS = {
    "gdb": "debugging",
    "openocd": "the access path openocd:",
    "qemu-system-aarch64": "mboxio demo rpi",
    "qemu-system-arm": "mboxio demo mcu",
    "ssh": "addresses grpc+ssh:",
}
NOT_HERE = "not here: needed for {} and nothing else"


@dataclass(frozen=True)
class Check:
    """One line of the doctor's.

    Args:
        name: what was looked at.
        status: ``ok``; ``warn``: something will not work or is slow; ``fail``: it does not work.
        text: what was found.
        advice: the one thing to do about it; empty if all is well.
    """

    name: str
    status: str
    text: str
    advice: str = ""


def examine(machine: Machine) -> Iterator[Check]:
    """Yield what there is to say about this machine and this installation."""
    yield from _versions()
    yield _the_build()
    yield from _packages()
    yield from _controllers()
    yield _folder()
    yield from _session(machine)
    yield _processors()
    yield _descriptors()
    yield from _settings()
    yield from _uio(machine)
    yield _mem(machine)
    yield _vcio(machine)
    yield from _rpmsg(machine)
    yield _ptrace(machine)
    yield from _programs()


def _versions() -> Iterator[Check]:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    yield Check("mboxio", OK, f"{mboxio.__version__}, {python}, {platform.machine()}")
    lacking = [each for each in ("eventfd", "memfd_create", "pidfd_open") if not hasattr(os, each)]
    if lacking:
        text = f"this Python has no os.{', os.'.join(lacking)}"
        yield Check("python", FAIL, text, "CPython 3.11 or newer for Linux")


def _the_build() -> Check:
    try:
        _build.check()
    except ImportError as error:
        return Check("build", FAIL, str(error), "pip install . again")
    summary = _build.summary()
    if _build.name() == "pure":
        if platform.machine().lower() not in ORDERED:
            text = f"{summary}: it shares no memory on {platform.machine()}, so no shm: or peer:"
            return Check("build", WARN, text, "install with a C compiler, without MBOXIO_PURE")
        text = f"{summary}: slower than the compiled build"
        return Check("build", OK, text)
    return Check("build", OK, summary)


def _packages() -> Iterator[Check]:
    for name, use in (EXTRAS | OTHERS).items():
        if importlib.util.find_spec(MODULES.get(name, name)) is not None:
            try:
                version = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                version = "of unknown version"
            yield Check(name, OK, version)
        elif name in EXTRAS:
            yield Check(name, WARN, f"not installed: no {use}", f"pip install {name}")
        else:
            yield Check(name, OK, NOT_HERE.format(use))


def _controllers() -> Iterator[Check]:
    broken = catalogue.broken_controllers()
    for name, why in broken.items():
        yield Check(f"controller {name}", FAIL, why, "repair or remove that package")
    others = sorted(catalogue.found().keys() - catalogue.BUILT_IN.keys() - broken.keys())
    if others:
        yield Check("controllers", OK, f"of other packages: {', '.join(others)}")


def _folder() -> Check:
    """Look at the folder of the sockets as host and remote do."""
    folder = expected_folder()
    name = shown(folder)
    try:
        socket_path("a")
    except AddressError as error:
        text = str(error).partition(": set MBOXIO_RUNTIME_DIR")[0]
        return Check("runtime folder", FAIL, text, OWN_FOLDER)
    if os.path.isdir(folder):
        mode = stat.S_IMODE(os.stat(folder).st_mode)
        return Check("runtime folder", OK, f"{name}, of {myself()}, mode {mode:o}")
    above = os.path.dirname(folder)
    if not os.access(above, os.W_OK | os.X_OK, effective_ids=True):
        text = f"{name} does not exist, and {shown(above)} is not writable"
        return Check("runtime folder", FAIL, text, OWN_FOLDER)
    return Check("runtime folder", OK, f"{name}: the first remote makes it")


def _session(machine: Machine) -> Iterator[Check]:
    """Two sessions of one user may have two folders: after su, and under cron or systemd."""
    session = f"/run/user/{os.geteuid()}"
    if os.environ.get("MBOXIO_RUNTIME_DIR") or os.environ.get("XDG_RUNTIME_DIR"):
        return
    if machine.mode(session) is not None:
        text = f"XDG_RUNTIME_DIR is not set, so remotes in {session}/mboxio are not found"
        yield Check("session", WARN, text, f"export XDG_RUNTIME_DIR={session}")


def _processors() -> Check:
    count = len(os.sched_getaffinity(0))
    if count == 1:
        text = "1 for this process: a wait sleeps at once, as spinning would hold up the remote"
        return Check("CPUs", WARN, text, "allow it a second one, for example with taskset")
    return Check("CPUs", OK, f"{count} for this process")


def _descriptors() -> Check:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < DESCRIPTORS_MIN:
        return Check("descriptors", WARN, f"{soft} at most: few connections", "ulimit -n 1024")
    return Check("descriptors", OK, "no limit" if soft == resource.RLIM_INFINITY else f"{soft:,}")


def _settings() -> Iterator[Check]:
    """Show the defaults that are in force, and variables that nothing reads."""
    try:
        found = in_force()
    except WrongSetting as error:
        yield Check("settings", FAIL, remote_text(error.message), "correct or remove it")
    else:
        none = f"none in the environment or in {shown(file())}"
        told = [f"{each.name} = {remote_text(each.text)} ({shown(each.origin)})" for each in found]
        yield Check("settings", OK, ", ".join(told) or none)
    for name in sorted(os.environ):
        if name.startswith("MBOXIO_") and name not in {*KNOWN, *VARIABLES.values()}:
            yield Check(shown(name), WARN, "nothing reads this variable", f"unset {shown(name)}")


def _uio(machine: Machine) -> Iterator[Check]:
    devices = [
        f"/dev/{each}"
        for each in machine.names("dev")
        if each.startswith("uio") and each[3:].isdecimal()
    ]
    if not devices:
        yield Check("UIO", OK, "no devices")
    for each in devices:
        closed = machine.closed(each)
        advice = 'a udev rule: SUBSYSTEM=="uio", GROUP="YOURS", MODE="0660"' if closed else ""
        yield Check(each, WARN if closed else OK, closed or "may be opened", advice)


def _mem(machine: Machine) -> Check:
    name = "/dev/mem"
    if machine.mode(name) is None:
        return Check(name, OK, "does not exist, so no devmem:")
    closed = machine.closed(name)
    if closed:
        return Check(name, WARN, f"{closed}; no devmem:", "a UIO device, or run as root")
    locked = machine.word("sys/kernel/security/lockdown")
    if "[integrity]" in locked or "[confidentiality]" in locked:
        return Check(name, WARN, f"locked down by the kernel: {locked}", "a UIO device")
    return Check(name, OK, "may be opened; registers that a driver has are refused")


def _vcio(machine: Machine) -> Check:
    if machine.mode(VCIO) is None:
        return Check(VCIO, OK, "does not exist: this is not a Raspberry Pi, or it has no driver")
    closed = machine.closed(VCIO)
    if closed:
        return Check(VCIO, WARN, closed, "usermod -aG video USER, and log in again")
    return Check(VCIO, OK, "may be opened")


def _rpmsg(machine: Machine) -> Iterator[Check]:
    found = RpmsgMachine(machine)
    if not found.processors and not found.vdevs:
        yield Check("RPMsg", OK, "no remote processors")
        return
    what = f"services: {len(found.services)}, remote processors: {len(found.processors)}"
    yield Check("RPMsg", OK, what)
    for each in troubles(found):
        yield Check(each.about, WARN, each.text, each.advice)


def _ptrace(machine: Machine) -> Check:
    """Whether a debugger can look into a program that seems to hang."""
    scope = machine.word("proc/sys/kernel/yama/ptrace_scope") or "0"
    status, who = PTRACE.get(scope, (WARN, f"unknown scope {remote_text(scope)}"))
    advice = "" if status == OK else "sysctl kernel.yama.ptrace_scope=1"
    if scope == "3":
        advice = "start the machine again without it"
    return Check("ptrace", status, f"a debugger may be attached by {who}", advice)


def _programs() -> Iterator[Check]:
    """Programs that some demos and access paths start or talk to; nothing else needs them."""
    for name, use in PROGRAMS.items():
        path = shutil.which(name)
        yield Check(name, OK, shown(path) if path else NOT_HERE.format(use))
