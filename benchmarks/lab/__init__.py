"""A mailbox of another machine, measured on one: what its stream costs, its ends, its sharing."""
