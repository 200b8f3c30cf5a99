"""Look at every file of dist/ as its users will: its size, and whether it works where it lands.

usage: python tools/check_dist.py DIST    by a Python with the group `release`

Each wheel is installed into an empty environment outside of this tree, from which a request goes
over ``loopback:`` and one to another process over ``shm:``. A wheel for ARM runs under an emulator.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ARM = ROOT / "build" / "arm64" / "bin" / "python"
WHEEL_MB, INSTALLED_MB = 4.0, 9.0
ARM_MORE_MB = 3.0  # its modules are aligned to pages of 64 KiB, which read-only relocations fill up

USE = """
import subprocess, sys, mboxio
from mboxio import _build

with mboxio.open("loopback:") as client:
    assert client.request(b"?") == b"?"
firmware = [sys.executable, "-c", '''
from mboxio.remote import Remote
remote = Remote("dist")
remote.handler("echo")(lambda message: message[::-1])
with remote:
    print("serving", flush=True)
    input()
''']
with subprocess.Popen(firmware, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
    process.stdout.readline()
    with mboxio.open("shm:dist/echo", wait_s=30) as client:
        assert client.request(b"abc", timeout_s=30) == b"cba"
    process.communicate(b"\\n")
print(_build.name(), _build.optimized(), mboxio.__version__, mboxio.__file__)
"""


def main(dist: Path) -> None:
    """Check all files; leave with the first fault's text."""
    wheels, archives = sorted(dist.glob("*.whl")), sorted(dist.glob("*.tar.gz"))
    if len(archives) != 1 or not any("none-any" in wheel.name for wheel in wheels):
        sys.exit(
            f"{dist} lacks the sources or the wheel without compiled modules: run `make wheels`"
        )
    run(sys.executable, "-m", "twine", "check", "--strict", *map(str, [*wheels, *archives]))
    check_sources(archives[0])
    for wheel in wheels:
        check_contents(wheel)
        with tempfile.TemporaryDirectory(prefix="mboxio-dist-") as folder:
            check_use(wheel, Path(folder))


def check_sources(archive: Path) -> None:
    """Find everything that is in the repository, and nothing that was made from it."""
    with tarfile.open(archive) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    missing = sorted(set(run("git", "ls-files").splitlines()) - names)
    products = [name for name in names if name.endswith((".so", ".pyc", "_stamp.py"))]
    if missing or products:
        sys.exit(f"{archive.name}: MANIFEST.in forgets {missing}, not sources: {products}")


def check_contents(wheel: Path) -> None:
    """Look into a wheel."""
    with zipfile.ZipFile(wheel) as file:
        compiled = [name for name in file.namelist() if name.endswith(".so")]
        debug = [name for name in compiled if b".debug_info" in file.read(name)]
        strange = [name for name in file.namelist() if name.endswith((".c", ".o", ".pyc"))]
        told = [name for name in compiled if f"{Path.home()}/".encode() in file.read(name)]
    size_mb = wheel.stat().st_size / 1e6
    if size_mb > WHEEL_MB:
        sys.exit(f"{wheel.name} has {size_mb:.1f} MB, more than {WHEEL_MB}")
    if debug or strange:
        sys.exit(f"{wheel.name}: with debug information: {debug}; not needed: {strange}")
    if told:
        sys.exit(f"{wheel.name} names folders of this machine: {told}")
    if bool(compiled) == ("none-any" in wheel.name) or "-linux_" in wheel.name:
        sys.exit(f"{wheel.name} is not what its name says: {len(compiled)} compiled modules")
    print(f"{wheel.name}: {size_mb:.2f} MB, {len(compiled)} compiled modules")


def check_use(wheel: Path, folder: Path) -> None:
    """Install a wheel into an empty environment and use it."""
    began_s = time.monotonic()
    python, site = install(wheel, folder)
    installed_s = time.monotonic() - began_s
    told = run(*python, "-c", USE, folder=folder).split()
    kind = ["pure", "False"] if "none-any" in wheel.name else ["compiled", "True"]
    if told[:3] != [*kind, wheel.name.split("-")[1]] or not Path(told[3]).is_relative_to(folder):
        sys.exit(f"{wheel.name}: installed, it is {' '.join(told)}")
    used_s = time.monotonic() - began_s
    size_mb, byte_code_mb = sizes_mb(site)
    limit_mb = INSTALLED_MB + ("aarch64" in wheel.name) * ARM_MORE_MB
    if size_mb > limit_mb:
        sys.exit(f"{wheel.name}: {size_mb:.1f} MB when installed, more than {limit_mb}")
    print(
        f"    installed: {size_mb:.1f} MB, byte code {byte_code_mb:.1f} MB, {installed_s:.1f} s;"
        f" with both requests {used_s:.1f} s"
    )


def sizes_mb(site: Path) -> tuple[float, float]:
    """Return the size of what a wheel brought, and of the byte code that was made of it."""
    files = [path for path in site.glob("mboxio*/**/*") if path.is_file()]
    made = sum(path.stat().st_size for path in files if path.suffix == ".pyc")
    brought = sum(path.stat().st_size for path in files) - made
    return brought / 1e6, made / 1e6


def install(wheel: Path, folder: Path) -> tuple[list[str], Path]:
    """Return how to start a Python that has the wheel, and where its packages are."""
    tag = wheel.name.split("-")[2]
    site = folder / "site"
    if wheel.stem.endswith("aarch64"):
        platform = wheel.stem.split("-")[-1].split(".")[0]
        pip(f"--target={site}", f"--platform={platform}", f"--python-version={tag[2:]}",
            "--only-binary=:all:", str(wheel))  # fmt: skip
        return ["env", f"PYTHONPATH={site}", str(ARM)], site
    version = f"{tag[2]}.{tag[3:]}"
    python = run("tools/pythons.sh", "--path", version) if tag != "py3" else sys.executable
    run(python, "-m", "venv", "--without-pip", str(folder / "venv"))
    python = str(folder / "venv" / "bin" / "python")
    pip(str(wheel), python=python)
    return [python], Path(
        run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    )


def pip(*arguments: str, python: str = sys.executable) -> None:
    """Run this Python's pip for another one."""
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    run(*pip, "--python", python, "install", "--no-index", *arguments)


def run(*command: str, folder: Path = ROOT) -> str:
    """Run a program in a clean environment and return what it printed; leave if it fails."""
    environment = {"PATH": os.environ["PATH"], "MBOXIO_RUNTIME_DIR": str(folder / "sockets")}
    environment |= {each: os.environ[each] for each in ("HOME", "PYENV_ROOT") if each in os.environ}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
