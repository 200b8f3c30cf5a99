"""What all commands share: arguments, output, signals."""
