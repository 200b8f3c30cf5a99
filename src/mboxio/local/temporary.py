"""Where temporary folders are made in which sockets are to be."""

import os
import tempfile

from mboxio.local.sockets import PATH_BYTES_MAX

__all__ = ["temporary_parent"]

ROOM_BYTES = 40
"""Of a path: for the name of the folder, with what is random in it, and of a socket."""


def temporary_parent() -> str:
    """Return the folder of temporary files, or another where no socket can be in that one.

    Its path may be too long, or have a colon, at which ssh and addresses divide it.
    """
    usual = tempfile.gettempdir()
    fits = len(os.fsencode(usual)) + ROOM_BYTES <= PATH_BYTES_MAX and ":" not in usual
    return usual if fits else "/tmp"
