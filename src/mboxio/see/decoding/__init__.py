"""What messages say: events in words, and decoders of the protocols that are spoken."""
