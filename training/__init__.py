"""Training: `python -m training.train TASK`. It is not installed with the package."""
