"""The thread that serves hosts: who gets in, who is served next, when it sleeps."""
