"""Mailboxes of other machines: what a gateway and its users say to each other."""
