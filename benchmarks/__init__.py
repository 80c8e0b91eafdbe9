"""Every figure in the README and on the model cards: `python -m benchmarks.NAME`."""
