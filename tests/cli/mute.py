"""Firmware that lives, and never says that it is up."""

import sys

sys.stdin.read()
