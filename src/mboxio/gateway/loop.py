"""The event loop of a gateway: uvloop's where it is installed, and asyncio's own elsewhere."""

import asyncio

__all__ = ["new_loop"]


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a new loop.

    A message passes it several times, from gRPC, to the mailbox and back, and uvloop takes a tenth
    off all that a message costs.
    """
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
