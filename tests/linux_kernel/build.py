"""Builds User Mode Linux from Debian's sources, once for each version and configuration.

``python -m tests.linux_kernel.build [linux-source-6.12]`` takes some minutes. The package is
downloaded, and not installed; of its files only those are unpacked that are compiled. The result
lies in ``build/linux`` or in the folder that MBOXIO_LINUX_CACHE names.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent
PACKAGE = "linux-source-6.12"
TOOLS = ("apt-get", "bc", "bison", "dpkg-deb", "flex", "gcc", "make", "xz")
WHOLE = (
    *("arch/um", "arch/x86", "block", "certs", "crypto", "drivers/base", "drivers/char"),
    *("drivers/remoteproc", "drivers/rpmsg", "drivers/tty", "drivers/virtio", "fs", "include"),
    *("init", "io_uring", "ipc", "kernel", "lib", "mm", "net", "scripts", "security"),
    *("tools/include", "usr", "virt"),
)
"""The folders in which something is compiled."""
OTHER = (
    "*/Kbuild*",
    "*/Kconfig*",
    "*/Makefile*",
    "*/drivers/net/Space.c",
    "*/drivers/net/loopback.c",
)


class CannotBuild(Exception):
    """Something is missing here; the text says how to get it."""


def fingerprint() -> str:
    """Return what changes with everything of ours that goes into a kernel."""
    parts = [(FOLDER / name).read_bytes() for name in ("kernel.config", "rproc_py.c", "build.py")]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def cache() -> Path:
    """Return where kernels are kept."""
    named = os.environ.get("MBOXIO_LINUX_CACHE")
    return Path(named) if named else FOLDER.parent.parent / "build" / "linux"


def found(package: str = PACKAGE) -> Path | None:
    """Return the newest kernel that was built of a package; None: there is none of this tree."""
    kernels = list(cache().glob(f"{package}_*_{fingerprint()}/linux"))
    return max(kernels, key=lambda path: path.stat().st_mtime, default=None)


def build(package: str = PACKAGE) -> Path:
    """Return the kernel, which is built first if it is not there.

    Raises:
        CannotBuild: a program or the package is missing.
        CalledProcessError: a step failed, and has said why.
    """
    if lacking := [name for name in TOOLS if shutil.which(name) is None]:
        hint = "apt-get install bc bison flex gcc libc6-dev make xz-utils"
        raise CannotBuild(f"missing: {', '.join(lacking)}: {hint}")
    version = candidate(package)
    folder = cache() / f"{package}_{version}_{fingerprint()}"
    kernel = folder / "linux"
    if kernel.exists():
        return kernel
    cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="work-", dir=cache()) as work:
        sources = unpack(package, version, Path(work))
        built = compile_kernel(sources, Path(work) / "built")
        folder.mkdir(exist_ok=True)
        built.rename(kernel)
    return kernel


def candidate(package: str) -> str:
    """Return the version of a package that apt would install; raises CannotBuild."""
    shown = subprocess.run(
        ["apt-cache", "--no-all-versions", "show", package], capture_output=True, text=True
    )
    for line in shown.stdout.splitlines():
        if line.startswith("Version: "):
            return line.removeprefix("Version: ")
    raise CannotBuild(
        f"apt knows no {package}: run apt-get update, on Debian 12 with bookworm-security"
    )


def unpack(package: str, version: str, folder: Path) -> Path:
    """Download a package and unpack the sources that are compiled; return their folder."""
    fetch = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", f"{package}={version}"]
    subprocess.run(fetch, cwd=folder, check=True)
    (archive,) = folder.glob("*.deb")
    wanted = [*(f"{package}/{name}" for name in WHOLE), *OTHER]
    command = (
        'dpkg-deb --fsys-tarfile "$1" | tar -xOf - "./usr/src/$2.tar.xz" | xz -dc |'
        ' (shift 2; tar -xf - --wildcards "$@")'
    )
    subprocess.run(["sh", "-c", command, "sh", archive, package, *wanted], cwd=folder, check=True)
    archive.unlink()
    return folder / package


def compile_kernel(sources: Path, output: Path) -> Path:
    """Compile the kernel with the processor of the tests in it; return its path."""
    shutil.copy(FOLDER / "rproc_py.c", sources / "drivers" / "remoteproc")
    append(sources / "drivers" / "remoteproc" / "Makefile", "obj-y += rproc_py.o\n")
    # Remoteproc wants DMA. Linux has it here for simulated PCI alone, which would be compiled, too.
    append(sources / "arch" / "um" / "Kconfig", "\nconfig UML_DMA_EMULATION\n\tdefault y\n")
    output.mkdir()
    make: list[str] = ["make", "-s", "-C", str(sources), "ARCH=um", f"O={output}"]
    configuration = f"KCONFIG_ALLCONFIG={FOLDER / 'kernel.config'}"
    subprocess.run([*make, configuration, "allnoconfig"], check=True)
    quickly = "KCFLAGS=-O1 -w"  # it takes the compiler a sixth less
    subprocess.run([*make, quickly, "-j2", "linux"], check=True)
    subprocess.run(["strip", output / "linux"], check=True)
    return output / "linux"


def append(path: Path, text: str) -> None:
    """Add to a file."""
    with path.open("a") as file:
        file.write(text)


if __name__ == "__main__":
    try:
        print(build(*sys.argv[1:2]))
    except (CannotBuild, subprocess.CalledProcessError) as error:
        sys.exit(f"no kernel to test with: {error}")
