"""What the operating system says of descriptors and of owners."""
