"""Boards that a team shares: labgrid, and lines between machines that lose packets."""
