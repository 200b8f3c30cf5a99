"""The event loop of a gateway: uvloop's where it is installed, and asyncio's own elsewhere."""

import asyncio
from collections.abc import Callable

__all__ = ["new_loop"]

new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
"""Returns a new loop. A message passes it several times, and uvloop takes a tenth off its cost."""

try:  # now: whom a gateway becomes before it serves might not reach it
    import uvloop
except ImportError:
    pass
else:
    new_loop = uvloop.new_event_loop
