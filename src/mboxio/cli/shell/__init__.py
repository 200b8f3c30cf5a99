"""The shell: requests typed at a prompt, or read from a script, while messages come in."""
