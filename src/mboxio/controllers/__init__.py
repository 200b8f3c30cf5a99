"""Drivers, one file each. `loopback` is the one to copy."""
