"""The cINN beside its classic rivals, on equal terms: see `python -m benchmarks.rivals --help`."""
