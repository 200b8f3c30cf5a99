"""Where something lies in a region: by a pattern, or by a symbol of the firmware file."""
