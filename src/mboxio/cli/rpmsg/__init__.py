"""``mboxio rpmsg``: remote processors and their services, and what lies in rings."""
