"""A driver package that works, from which ``mboxio new-driver`` makes others."""
