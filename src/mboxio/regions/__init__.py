"""Regions: memory and registers behind any access path."""

from mboxio.regions.access import open_region
from mboxio.regions.interrupts import Interrupt
from mboxio.regions.region import Kind, Memory, Region

__all__ = ["Interrupt", "Kind", "Memory", "Region", "open_region"]
