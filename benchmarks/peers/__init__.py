"""Everything that is measured, one module each.

A module has ``near(setting, where)``, which returns the time of a request in each round in µs, and
``serve(setting, where)`` if its far side is in Python. ``where`` is a folder of both.
"""
