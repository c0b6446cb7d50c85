"""Turns a Kubernetes version into installable, signed, proven Linux packages."""

__version__ = "0.1.0"
