"""New requests; the compiled build makes them of those that are no longer used."""

from mboxio._base.request import Request

__all__ = ["fresh"]


def fresh() -> Request:
    """Return a request that knows nothing yet; `Request._set_up` comes next."""
    return Request.__new__(Request)
