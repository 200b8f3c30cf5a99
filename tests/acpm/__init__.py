"""ACPM: the descriptor, the controller, its firmware model, and the regressions of both."""
