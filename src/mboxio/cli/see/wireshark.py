"""``mboxio wireshark``: a dissector and a source of live traffic, put where Wireshark looks."""

from pathlib import Path

import click

from mboxio.cli.shared.text import json_line, printable
from mboxio.see.wireshark.folders import PROGRAMS, Folders, folders
from mboxio.see.wireshark.plugins import (
    DISSECTOR,
    NotOurs,
    dissectors,
    extcap_script,
    install,
    remove,
)

__all__ = ["wireshark"]

EXECUTABLE = 0o755
SEE = """\
to see a capture: wireshark FILE.pcapng, or tshark -2 -r FILE.pcapng
to see live traffic: mboxio record -o - ADDRESS | wireshark -k -i -"""
LIVE = """\
it is the interface "Mailbox traffic" in Wireshark's list, with the address in its options; or:
tshark -i mboxio -o extcap.mboxio.address:ADDRESS"""


@click.command()
@click.option("--extcap", is_flag=True, help="Install the source of live traffic instead.")
@click.option("--remove", "removes", is_flag=True, help="Remove what was installed.")
@click.option("--force", is_flag=True, help="Also where a file of this name is not ours.")
@click.option(
    "--print-path", is_flag=True, help="Print the file for wireshark -X lua_script:FILE, no more."
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def wireshark(extcap: bool, removes: bool, force: bool, print_path: bool, as_json: bool) -> None:
    """Have Wireshark understand captures.

    It goes into the folder of your user for Lua plug-ins. Without installing:

    \b
    tshark -2 -X lua_script:$(mboxio wireshark --print-path) -r FILE.pcapng

    With --extcap, Wireshark lists mailboxes among its interfaces and records from an address.
    """
    if print_path:
        if extcap or removes or force:
            raise click.UsageError("--print-path installs nothing and goes with no other option")
        if not DISSECTOR.is_file():
            raise click.ClickException(f"{DISSECTOR} is no file that Wireshark could read")
        _say(as_json, {"path": str(DISSECTOR)}, [str(DISSECTOR)])
        return
    found = folders()
    if found is None:
        _explain(as_json)
        done = "removed" if removes else "installed"
        raise click.ClickException(f"{' and '.join(PROGRAMS)} are not on PATH: nothing was {done}")
    folder = _folder(found, extcap)
    files = extcap_script() if extcap else dissectors()
    try:
        if removes:
            gone = [str(path) for path in remove(files, folder, force=force)]
            lines = [f"removed {path}" for path in gone]
            _say(as_json, {"removed": gone}, lines or [f"nothing of mboxio is in {folder}"])
            return
        mode = EXECUTABLE if extcap else 0o644
        wrote = [str(path) for path in install(files, folder, mode=mode, force=force)]
    except NotOurs as error:
        raise click.UsageError(str(error)) from None
    except PermissionError as error:
        raise click.ClickException(_refused(error, extcap)) from None
    lines = [f"wrote {path}" for path in wrote]
    _say(as_json, {"wrote": wrote}, [*lines, *(LIVE if extcap else SEE).splitlines()])


def _folder(found: Folders, extcap: bool) -> Path:
    folder = found.extcap if extcap else found.lua
    if folder is None:
        what = "programs that capture (extcap)" if extcap else "Lua plug-ins"
        raise click.ClickException(
            f"{found.program} -G folders names no folder for {what}: was it built without?"
        )
    return folder


def _refused(error: PermissionError, extcap: bool) -> str:
    text = f"{error.filename}: {error.strerror}"
    if extcap:
        text += (
            "; before Wireshark 4.2 all users share this folder: use sudo, or set"
            " WIRESHARK_EXTCAP_DIR to a folder of yours, here and for Wireshark"
        )
    return text


def _explain(as_json: bool) -> None:
    """Say what to do on a machine that has no Wireshark, or has it elsewhere."""
    paths = [str(DISSECTOR.parent / name) for name in dissectors()]
    lines = [
        "install Wireshark (for example: apt install wireshark) and run this again; or copy",
        *(f"    {path}" for path in paths),
        'into its folder "Personal Lua Plugins", on any machine: tshark -G folders names it',
    ]
    _say(as_json, {"wrote": [], "removed": [], "files": paths}, lines)


def _say(as_json: bool, found: dict[str, object], lines: list[str]) -> None:
    if as_json:
        click.echo(json_line(found))
        return
    for line in lines:
        click.echo(printable(line))
