"""Our end of one host's connection: its rings, what is counted, what misbehaves."""
