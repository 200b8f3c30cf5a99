"""``mboxio sim``: boards that do not exist yet, and boards with faults, in virtual time."""
