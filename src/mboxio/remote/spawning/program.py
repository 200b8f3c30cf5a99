"""What a process is to run: a Python file, functions, or any program that serves an address."""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias, TypeGuard, cast

from mboxio._queue.handlers import require_plain
from mboxio.remote.spawning.reference import Reference, reference_to

__all__ = ["Firmware", "Program", "command_in", "path_in", "program_of"]

Firmware: TypeAlias = (
    "str | os.PathLike[str] | Sequence[str] | Callable[..., Any] | Mapping[str, Callable[..., Any]]"
)
"""See `Remote.spawn`."""


@dataclass(frozen=True)
class Program:
    """What `program_of` understood.

    Args:
        text: its name, for people.
        file: the file that is run, if there is one.
        command: the program and its arguments; {name} and {address} stand in them. Empty: Python.
        python: the settings of a process in Python, for `mboxio.remote.programs.child`.
    """

    text: str
    file: str | None = None
    command: tuple[str, ...] = ()
    python: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def short(self) -> str:
        """Its name without the folder."""
        return self.text if self.file is None else os.path.basename(self.file)

    def arguments(self, name: str, address: str) -> list[str]:
        """Return the command for an address."""
        return [each.replace("{name}", name).replace("{address}", address) for each in self.command]


def program_of(firmware: Firmware) -> Program:
    """Return the program that a user means.

    Raises:
        TypeError: it is nothing of that kind, or a function that another process cannot import.
        ValueError: the file is neither Python nor a program.
        FileNotFoundError: there is no such file.
    """
    if _is_by_channel(firmware):
        return _of_handlers(firmware)
    if callable(firmware):
        reference = reference_to(firmware, "the firmware")
        require_plain(firmware, "the firmware", role="function", does=" that takes the remote")
        return Program(reference.text, reference.file, python={"function": asdict(reference)})
    path, command = path_in(firmware), command_in(firmware)
    if path is not None:
        return _of_text(path)
    if command:
        return _of_command(command)
    raise TypeError(
        f"{firmware!r:.100} is not firmware: use a file, a command, a function, or handlers by"
        " channel"
    )


def path_in(firmware: Firmware) -> str | None:
    """Return the text of a path or name; None: it is something else."""
    return os.fspath(firmware) if _is_path(firmware) else None


def command_in(firmware: Firmware) -> list[str] | None:
    """Return a command, a list or a tuple; None: it is something else."""
    if not isinstance(firmware, (list, tuple)):
        return None
    return [os.fspath(each) for each in cast("Sequence[str]", firmware)]


def _is_by_channel(firmware: Firmware) -> TypeGuard[Mapping[str, Callable[..., Any]]]:
    return isinstance(firmware, Mapping)


def _is_path(firmware: Firmware) -> "TypeGuard[str | os.PathLike[str]]":
    return isinstance(firmware, (str, os.PathLike))


def _of_handlers(handlers: Mapping[str, Callable[..., Any]]) -> Program:
    if not handlers:
        raise ValueError("firmware without a channel: name one, with its handler")
    references: dict[str, Reference] = {}
    for name, handler in handlers.items():
        if not isinstance(name, str):
            raise TypeError(f"{name!r} is not the name of a channel")
        references[name] = reference_to(handler, f"channel {name!r}")
        require_plain(handler, f"channel {name!r}")
    first = next(iter(references.values()))
    return Program(
        ", ".join(each.text for each in references.values()),
        first.file,
        python={"handlers": {name: asdict(each) for name, each in references.items()}},
    )


def _of_text(text: str) -> Program:
    reference = Reference.parse(text)
    if reference is not None and not os.path.exists(text):
        return Program(text, python={"function": asdict(reference)})
    path = os.path.abspath(text)
    if not os.path.exists(path):
        raise FileNotFoundError(f"no firmware {text}: there is no file {path}")
    if os.path.isfile(path) and path.endswith(".py"):
        return Program(text, path, python={"file": path})
    if os.path.isfile(path) and os.access(path, os.X_OK):
        return Program(text, path, command=(path, "{name}"))
    raise ValueError(f"{text} is neither Python (.py) nor a program: is chmod +x missing?")


def _of_command(command: list[str]) -> Program:
    path = shutil.which(command[0])
    if path is None:
        raise FileNotFoundError(f"no program {command[0]}: is it built, and is chmod +x missing?")
    path = os.path.abspath(path)
    return Program(" ".join(command), path, command=(path, *command[1:]))
