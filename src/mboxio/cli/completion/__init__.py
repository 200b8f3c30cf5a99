"""Addresses as arguments, and what a shell completes at the Tab key."""
