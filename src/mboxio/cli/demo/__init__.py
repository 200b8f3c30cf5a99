"""The demos: traffic, firmware that dies, and what became of every request."""
