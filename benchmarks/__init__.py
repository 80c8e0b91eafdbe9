"""Figures and pictures of the README and the model cards: `python -m benchmarks.NAME`."""
