"""RTT: streams of bytes that firmware of a microcontroller has in its memory, framed by choice."""
