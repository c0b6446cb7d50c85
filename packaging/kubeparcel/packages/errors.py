"""Errors of the package readers.

The readers parse bytes, not files: they raise MalformedData with the reason. Whoever
opened the file turns it into a BrokenPackage, which adds the path and the next step.
"""

from typing import ClassVar

from kubeparcel.errors import CheckFailed


class MalformedData(ValueError):
    """Bytes that are not in the expected format; the message has no path and no full stop."""

    hint: ClassVar[str] = "Build or download it again."


class LimitExceeded(MalformedData):
    """Bytes beyond a limit: they may be valid. The message names the limit and what raises it."""

    hint: ClassVar[str] = "Raise the limit only if you trust the file. All limits: docs/reference/limits.md"


class BrokenPackage(CheckFailed):
    """A file that is not a complete package."""
