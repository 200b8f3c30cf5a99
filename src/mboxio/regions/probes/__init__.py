"""Memory that is reached through a debugger or an emulator, word by word."""
