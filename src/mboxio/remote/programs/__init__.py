"""Firmware that users write: from a Python file, or by the names of its functions, to a remote."""
