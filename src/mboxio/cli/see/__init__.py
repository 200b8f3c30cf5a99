"""Commands that record traffic and show it."""
