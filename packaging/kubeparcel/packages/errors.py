"""Errors of the package readers.

The readers parse bytes, not files: they raise MalformedData, which says what is wrong. Whoever
opened the file turns it into a BrokenPackage, which adds the path and the next step.
"""

from kubeparcel.errors import CheckFailed


class MalformedData(ValueError):
    """Bytes that are not in the expected format; the message has no path and no full stop."""


class BrokenPackage(CheckFailed):
    """A file that is not a complete package."""
