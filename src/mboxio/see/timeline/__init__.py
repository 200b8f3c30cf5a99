"""A timeline of captures: requests with their stages, for the Perfetto viewer and as a picture."""

__all__ = ["register"]

INSTALL = 'pip install perfetto, or pip install ".[timeline]" in a checkout of mboxio'


def register() -> None:
    """Let `mboxio.capture.writing.open_writer` write ``.pftrace``; its library is imported here.

    Raises:
        CaptureError: the library is not installed.
    """
    from mboxio.capture.pieces import CaptureError
    from mboxio.capture.writing import register as register_suffix

    try:
        from mboxio.see.timeline.pftrace import TraceWriter
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("perfetto", "google"):
            raise
        raise CaptureError(f"a timeline for Perfetto needs {missing}: {INSTALL}") from None
    register_suffix(".pftrace", TraceWriter)
