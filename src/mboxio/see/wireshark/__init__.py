"""Wireshark: a dissector for captures, its folders, and a source of live traffic."""
