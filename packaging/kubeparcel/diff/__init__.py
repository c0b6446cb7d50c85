"""Compares packages: pairs of two sets, what differs between them, and reports of it."""
