"""From the text of an address to a driver."""
