"""Bundles: one file with all that a host without a network needs to become a node."""
