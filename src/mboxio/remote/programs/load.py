"""From a Python file or the names of functions to a remote that can serve."""

import inspect
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

from mboxio.address.address import Address
from mboxio.errors import AddressError
from mboxio.remote.channel import RemoteChannel
from mboxio.remote.remote import Remote
from mboxio.remote.serving.thread import Serving
from mboxio.remote.spawning.reference import Reference

if TYPE_CHECKING:
    from mboxio.remote.acpm import AcpmRemote

__all__ = ["AnyRemote", "channels", "from_file", "from_function", "from_handlers", "made", "served"]

AnyRemote: TypeAlias = "Remote | AcpmRemote"


def made(address: Address) -> AnyRemote:
    """Make the remote of an address, without channels.

    Raises:
        AddressError: a remote in Python cannot serve it.
    """
    if address.controller == "shm" and not address.channel and not address.options:
        return Remote(address.name)
    if address.controller == "acpm" and not address.name and not address.channel:
        # These imports take long, and shm: does not need them.
        from mboxio.controllers.acpm.layout import BASE
        from mboxio.regions import access
        from mboxio.remote.acpm import AcpmRemote

        options = dict(address.options)
        at, base = options.pop("at", ""), access.number(options.pop("base", hex(BASE)))
        if at and not options:
            return AcpmRemote(at, base=base)
    raise AddressError(f"{str(address)!r} cannot be served: write shm:NAME, or acpm:?at=peer:NAME")


def served(remote: AnyRemote) -> str:
    """Return what hosts connect to."""
    return remote.address if isinstance(remote, Remote) else f"acpm:?at={remote.address}"


def channels(remote: AnyRemote) -> Mapping[str, RemoteChannel]:
    """Return the declared channels by name; those of ACPM have numbers."""
    if isinstance(remote, Remote):
        return {**remote.channels}
    return {str(number): channel for number, channel in enumerate(remote.channels)}


def from_file(file: Path, remote: AnyRemote) -> AnyRemote:
    """Run a file that defines ``remote = Remote(...)`` or a function ``firmware(remote)``.

    Args:
        file: Python.
        remote: what is served if the file has a function; its name replaces that of the file's.

    Raises:
        ValueError: the file fails, defines neither, or serves another address.
    """
    try:
        module = _run(file, "firmware")
        found: Any = getattr(module, "remote", None)
        if isinstance(found, Remote) and isinstance(remote, Remote):
            found.name = remote.name
            return found
        if isinstance(found, Serving):
            other: AnyRemote = vars(module)["remote"]
            if other.address != remote.address:
                raise _Refused(f"{file} serves {served(other)}: write that.")
            return other
        function = getattr(module, "firmware", None)
        if callable(function):
            _require_takes_remote(str(file), "firmware", function)
            function(remote)
            return remote
    except _Refused:
        raise
    except (Exception, SystemExit) as error:
        raise ValueError(f"{file} failed: {_told(error)}") from error
    raise ValueError(
        f"{file} defines neither remote = Remote(...) nor a function firmware(remote)."
    )


def from_function(reference: Reference, remote: AnyRemote) -> AnyRemote:
    """Call a function of the user's with the remote, which it gives channels and handlers.

    Raises:
        ValueError: it cannot be imported, or fails.
    """
    function = _imported(reference)
    _require_takes_remote(reference.text, reference.name, function)
    try:
        function(remote)
    except Exception as error:
        raise ValueError(f"{reference.text} failed: {_told(error)}") from error
    return remote


def from_handlers(handlers: Mapping[str, Reference], remote: AnyRemote) -> AnyRemote:
    """Give a remote one channel for each handler.

    Raises:
        ValueError: one cannot be imported, or is none; or the channels of this remote have numbers.
    """
    if not isinstance(remote, Remote):
        raise ValueError(
            f"{served(remote)}: channels of ACPM are no names: write a function firmware(remote)"
        )
    for name, reference in handlers.items():
        try:
            remote.handler(name)(_imported(reference))
        except TypeError as error:
            raise ValueError(str(error)) from error
    return remote


class _Refused(ValueError):
    """An error of this module, as opposed to one that the file raised."""


def _run(file: Path, name: str) -> ModuleType:
    """Run a file as the module of a name; what lies beside it can be imported."""
    loader = SourceFileLoader(name, str(file))
    module = module_from_spec(ModuleSpec(name, loader, origin=str(file)))
    sys.modules[name] = module
    sys.path.insert(0, str(file.resolve().parent))
    loader.exec_module(module)
    return module


def _imported(reference: Reference) -> Callable[..., Any]:
    """Return the function that a reference means.

    Its module is imported by name, or run from its file: that of a test may have no name by which
    another process finds it.
    """
    try:
        found: Any = _module(reference)
    except (Exception, SystemExit) as error:
        raise ValueError(f"{reference.text} cannot be imported: {_told(error)}") from error
    for part in reference.name.split("."):
        found = getattr(found, part, None)
    if found is None:
        raise ValueError(f"module {reference.module} has no function {reference.name}")
    if not callable(found):
        raise ValueError(f"{reference.text} is {found!r}, which cannot be called")
    function: Callable[..., Any] = found
    return function


def _module(reference: Reference) -> ModuleType:
    name, file = reference.module, reference.file
    if name == "__main__":
        name = "__mboxio_main__"  # its `if __name__ == "__main__"` is not for us
    elif file is None:
        return import_module(name)
    else:
        try:
            module = import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise  # something that it imports
        else:
            if os.path.realpath(module.__file__ or "") == os.path.realpath(file):
                return module
    loaded = sys.modules.get(name)
    if loaded is not None and loaded.__file__ == file:
        return loaded
    return _run(Path(file or ""), name)


def _require_takes_remote(where: str, name: str, function: Callable[..., Any]) -> None:
    """Raise unless a function can be called with a remote, and with it alone."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # it does not say
    line = getattr(getattr(function, "__code__", None), "co_firstlineno", None)
    where = f"{where}, line {line}" if line else where
    try:
        signature.bind(None)
    except TypeError:
        raise _Refused(
            f"{where}: {name}{signature} has to take one argument: def {name}(remote)"
        ) from None
    if inspect.iscoroutinefunction(function):
        raise _Refused(f"{where}: {name}() is async: write def {name}(remote)")


def _told(error: BaseException) -> str:
    """Return what an error says and the line where it happened."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{'' if isinstance(error, SyntaxError) else where}"
