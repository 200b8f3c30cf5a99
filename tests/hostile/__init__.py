"""Hostile lives: both sides against peers that do whatever they can, by seeded chance."""
