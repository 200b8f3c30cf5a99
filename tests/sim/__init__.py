"""Boards, firmware, clients and faults in virtual time."""
