"""mboxio's own rings in memory that the firmware made: ``rings:``."""
