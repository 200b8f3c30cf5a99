"""The command line: ``mboxio``. What it needs beyond the standard library is an extra."""

import os
import sys

__all__ = ["main"]


INSTALL = 'pip install click rich, or pip install ".[cli]" in a checkout of mboxio'


def main() -> None:
    """Run the command that the arguments of this process name, and exit."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # Closed by whoever started us: no socket of ours shall get its number.
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115
    try:
        from mboxio.cli.app import app

        app()  # imports what the command needs
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("click", "rich"):
            raise
        print(f"mboxio: the command line needs {missing}: {INSTALL}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
