"""A real Linux, built and run here as a program: User Mode Linux with remoteproc and RPMsg."""
