"""Regions: memory and registers behind any access path."""

from mboxio.io.region import Kind, Memory, Region

__all__ = ["Kind", "Memory", "Region"]
