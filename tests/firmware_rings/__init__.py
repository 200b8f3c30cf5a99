"""`rings:`: rings in memory that the firmware made."""
