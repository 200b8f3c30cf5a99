"""Two processes on one machine: where the socket lies, how memory is handed over."""
