"""A message's place with the hardware, and whose reply it is."""
