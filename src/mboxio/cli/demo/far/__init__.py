"""The demo of a board that is elsewhere: its gateway, and two users of it."""
