"""Starts firmware for a test, with the faults that the test is marked with."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mboxio.pytest_plugin.watch import Watch
from mboxio.remote import Faults, Remote, RemoteProcess
from mboxio.remote.spawning.program import Firmware, command_in, path_in
from mboxio.remote.spawning.reference import Reference

__all__ = ["Starter"]

GRACE_S = 2.0
DIGITS = 12


class Starter:
    """What the fixture `mboxio_firmware` gives to a test.

    Args:
        item: the test.
        watch: collects the material for the report of a failure.
        folders: where logs are kept, as pytest keeps its temporary folders.
    """

    def __init__(self, item: pytest.Item, watch: Watch, folders: pytest.TempPathFactory) -> None:
        self._item = item
        self._watch = watch
        self._folders = folders
        self._started: list[RemoteProcess] = []

    def __call__(
        self,
        firmware: Firmware,
        *,
        address: str | None = None,
        wait_s: float = 30.0,
        faults: Faults | None = None,
        env: Mapping[str, str] | None = None,
    ) -> RemoteProcess:
        """See `StartFirmware`."""
        __tracebackhide__ = True
        log = self._folders.mktemp("firmware") / "firmware.log"
        try:
            process = Remote.spawn(
                self._located(firmware),
                address=address,
                wait_s=wait_s,
                faults=faults or self._faults(),
                env=env,
                log=log,
            )
        except Exception as error:
            # The error and the line of the test matter; the frames between them do not.
            raise error.with_traceback(None) from None
        self._started.append(process)
        self._watch.devices.append(process)
        self._item.user_properties += [
            ("mboxio_address", process.address),
            ("mboxio_firmware_pid", process.pid),
            ("mboxio_firmware_build", _build_of(process)),
            ("mboxio_firmware_log", str(log)),
        ]
        return process

    def __repr__(self) -> str:
        return f"<starts firmware, {len(self._started)} so far>"

    def end(self) -> list[str]:
        """End all of them; return how those ended that died on their own."""
        died: list[str] = []
        for process in reversed(self._started):
            process.stop(GRACE_S)
            process.close()
            if process.died:
                died.append(f"{process.program.short}: {process.ended}")
        return died

    def _faults(self) -> Faults | None:
        """Return the faults of the mark, if the test has it."""
        mark = self._item.get_closest_marker("mboxio_faults")
        if mark is None:
            return None
        known = list(Faults.__dataclass_fields__)
        unknown = [repr(each) for each in mark.args] + [*(mark.kwargs.keys() - set(known))]
        if unknown:
            raise TypeError(f"mboxio_faults: no {unknown[0]}; there are: {', '.join(known)}")
        return Faults(**mark.kwargs)

    def _located(self, firmware: Firmware) -> Firmware:
        """Look for a file beside the test, in the root folder and in the current one."""
        path, command = path_in(firmware), command_in(firmware)
        if path is not None and not Reference.parse(path):
            return self._found(path)
        if command and os.path.dirname(command[0]):
            return [self._found(command[0]), *command[1:]]
        return firmware

    def _found(self, text: str) -> str:
        folders = [self._item.path.parent, self._item.config.rootpath, Path.cwd()]
        for folder in folders:
            if (folder / text).exists():
                return str(folder / text)
        looked = ", ".join(dict.fromkeys(map(str, folders)))
        raise FileNotFoundError(f"no firmware {text} in {looked}: is it built?")


def _build_of(process: RemoteProcess) -> str:
    """Return what tells one build of the firmware from another one."""
    file = process.program.file
    if file is None:
        return process.program.text
    with open(file, "rb") as content:
        digest: Any = hashlib.file_digest(content, "sha256")
    return f"{os.path.basename(file)} sha256:{digest.hexdigest()[:DIGITS]}"
