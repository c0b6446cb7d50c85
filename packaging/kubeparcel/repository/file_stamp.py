"""What identifies the content of a user's file, so that unchanged ones need not be read again."""

from __future__ import annotations

import os
from collections.abc import Sequence

from kubeparcel.errors import ConfigurationError

CLOCK_TICK = 20_000_000
"""Nanoseconds within which two changes of a file may have the same time: two ticks of Linux' slowest clock."""

SECOND = 1_000_000_000


class FileStamp(str):
    """Path, size in bytes, inode, and time of the last change of content or attributes (ctime) in nanoseconds.

    Unlike the mtime, no program can set the ctime. A text `PATH\\0SIZE\\0INODE\\0CTIME`: a folder has ten
    thousand of them, and texts are created, compared and stored several times as fast as tuples. A file that
    changed just before it was examined could change again without another ctime: its stamp ends with the
    time of the examination, so it equals no later one and the file is read again.
    """

    __slots__ = ()

    @classmethod
    def of(cls, path: str, status: os.stat_result, moment: int) -> FileStamp:
        """Return the stamp of a file whose status was read at `moment`, in nanoseconds since 1970, or later."""
        changed = status.st_ctime_ns
        # Some file systems count whole seconds.
        doubtful = changed > moment - (CLOCK_TICK if changed % SECOND else 2 * SECOND)
        stamp = f"{path}\0{status.st_size}\0{status.st_ino}\0{changed}"
        return cls(f"{stamp}\0{moment}" if doubtful else stamp)

    @property
    def path(self) -> str:
        """The path of the file."""
        return self.partition("\0")[0]

    @property
    def size(self) -> int:
        """The size in bytes."""
        return int(self.split("\0")[1])

    @property
    def is_reliable(self) -> bool:
        """Whether an equal stamp later means equal content."""
        return self.count("\0") == 3

    @staticmethod
    def are_reliable(stamps: Sequence[FileStamp]) -> bool:
        """Return whether all stamps are reliable."""
        return "".join(stamps).count("\0") == 3 * len(stamps)

    def require_unchanged(self, status: os.stat_result) -> None:
        """Raise ConfigurationError if a file with this status is not the file of the stamp."""
        if self.split("\0")[1:4] != [str(status.st_size), str(status.st_ino), str(status.st_ctime_ns)]:
            raise ConfigurationError(f"{self.path} changed while it was published.", "Run the same command again.")
