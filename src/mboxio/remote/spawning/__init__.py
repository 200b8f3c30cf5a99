"""Firmware in a process of its own: what it runs, what it printed, and how it ended."""
