"""Shared by all commands: arguments, output, signals."""
