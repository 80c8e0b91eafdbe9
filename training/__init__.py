"""Training: `python -m training.train TASK`. Not installed with the package."""
