"""What a host leaves in the hardware when it dies, and what the next one makes of it."""
