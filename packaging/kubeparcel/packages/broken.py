"""Files that are not what they should be.

Of its own, not that of `contents`: reading whole packages needs libraries whose import takes
longer than a publish.
"""

from kubeparcel.errors import CheckFailed


class MalformedData(Exception):
    """Bytes that cannot be read as what they should be; the message says why, not where."""


class BrokenPackage(CheckFailed):
    """A file that is no package, or not a whole one."""
