"""Regions: memory and registers behind any access path."""

from mboxio.io.access import open_region
from mboxio.io.interrupts import Interrupt
from mboxio.io.region import Kind, Memory, Region

__all__ = ["Interrupt", "Kind", "Memory", "Region", "open_region"]
