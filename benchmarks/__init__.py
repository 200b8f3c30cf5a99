"""mboxio beside everything else that could be used, and beside what the machine allows.

``make bench`` runs it all. `cases.py` says what is measured, `peers` how each is used, and each
measurement runs in a process of its own, see `cell.py`.
"""
