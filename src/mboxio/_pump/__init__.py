"""Who waits, who sleeps, and who is woken."""
