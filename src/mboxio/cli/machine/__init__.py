"""What there is on this machine, and what stands in the way of using it."""
