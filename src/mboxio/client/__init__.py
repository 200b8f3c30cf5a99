"""The user's door: connect, ask, wait, listen."""
