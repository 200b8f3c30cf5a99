"""Runs a script in a guest: a real kernel as a program, with this machine's files as its root."""

import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent
MEMORY_MIB = 192
COMPLAINTS = ("WARNING:", "BUG:", "Oops", "Kernel panic", "Call Trace", "rcu: INFO")


@dataclass(frozen=True)
class Result:
    """How a guest ended.

    Args:
        status: of the script; None: the guest did not come to its end.
        console: what it printed.
        kernel_log: what the kernel said.
        folder: what the script wrote into ``/run/job`` lies here.
    """

    status: int | None
    console: str
    kernel_log: str
    folder: Path

    @property
    def complaints(self) -> list[str]:
        """The lines in which the kernel says that something is wrong with it."""
        lines = (self.kernel_log or self.console).splitlines()
        return [line for line in lines if any(each in line for each in COMPLAINTS)]


@dataclass(frozen=True)
class Guest:
    """What is to run.

    Args:
        kernel: the program.
        script: for a shell; it may write into ``/run``, and what it leaves in ``/run/job`` is kept.
        environment: of the script.
        parameters: of the kernel.
        timeout_s: how long the guest may take, in seconds.
        job: what is ``/run/job`` in there; made by `run`. None: a folder that goes with the run.
    """

    kernel: Path
    script: str
    environment: dict[str, str]
    parameters: Sequence[str] = field(default=())
    timeout_s: float = 150.0
    job: Path | None = None

    @contextmanager
    def run(self) -> Iterator[Result]:
        """Run it to its end, or kill it; nothing of it is left afterwards."""
        with tempfile.TemporaryDirectory(prefix="mboxio-guest-") as name:
            folder = Path(name)
            job = self.job or folder / "job"
            job.mkdir()
            variables = {"HOME": "/run", "TMPDIR": "/run/tmp", **self.environment}
            exports = [f"export {key}={shlex.quote(value)}" for key, value in variables.items()]
            (job / "script").write_text("\n".join([*exports, self.script, ""]))
            console = self._boot(folder, job)
            yield Result(
                int(status) if (status := _text(job / "status")).strip() else None,
                console,
                _text(job / "dmesg"),
                job,
            )

    def _boot(self, folder: Path, job: Path) -> str:
        command = [
            *(str(self.kernel), f"mem={MEMORY_MIB}M", f"uml_dir={folder}", "root=none", "ro"),
            *(
                "rootfstype=hostfs",
                "rootflags=/",
                "quiet",
                "panic=-1",
                "con=null",
                "con0=null,fd:1",
            ),
            *("firmware_class.path=/run", f"init={FOLDER / 'init.sh'}", f"JOB={job}"),
            f"PYTHON={os.path.realpath(sys.executable)}",
            *self.parameters,
        ]
        with (folder / "console").open("wb") as console:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # Its memory is a file: here, and not in a /dev/shm that may be small.
                env={"TMPDIR": str(folder), "PATH": os.environ["PATH"]},
            )
            late = ""
            try:
                process.wait(self.timeout_s)
            except subprocess.TimeoutExpired:
                late = f"\nkilled: it was not at its end after {self.timeout_s:g} s"
            finally:
                # Each process of the guest is one here, in a group of its own.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return _text(folder / "console").replace("\r", "") + late


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""
