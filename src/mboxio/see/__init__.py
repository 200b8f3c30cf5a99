"""What people look at: decoded messages, a timeline, a live screen, a replay of a capture."""
