"""One file an architecture: its configuration and its network."""
