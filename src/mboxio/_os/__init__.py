"""Descriptors and owners, as the operating system reports them."""
