"""Fuzzing of everything that reads the bytes of others: `python -m tests.fuzz --minutes N`."""
