"""The architectures: their configurations and networks."""
