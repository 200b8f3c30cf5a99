"""Writing down what happens, while it happens: of a connection, a program, a command."""
