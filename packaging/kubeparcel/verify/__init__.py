"""Proof that packages are what they should be, level by level."""
