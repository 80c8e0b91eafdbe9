"""The four networks of Ardizzone et al. 2019, and their checkpoints as models of this package."""
