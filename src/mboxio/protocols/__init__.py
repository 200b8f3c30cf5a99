"""Protocols: what is spoken over a channel, as typed clients."""
