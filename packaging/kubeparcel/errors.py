"""Everything that can go wrong for a reason outside this program, each kind with its exit code.

A message says what happened, where, and what to do next; it never needs a traceback.
"""

from typing import ClassVar


class KubeparcelError(Exception):
    """The root: something a user, a file or the network caused.

    `what` says what happened and where; `todo` says what to do about it.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        if not self.hint:
            return self.message
        return self.message + "".join(f"\n  {line}" for line in self.hint.splitlines())

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.message, self.hint)


class CheckFailed(KubeparcelError):
    """A check said no: the packages, or the lock, are not as they should be."""

    exit_code = 1


class UsageError(KubeparcelError):
    """The command line cannot be understood."""

    exit_code = 2


class ConfigurationError(KubeparcelError):
    """kubeparcel.yaml, kubeparcel.lock, the catalog or the environment holds something unusable."""

    exit_code = 2


class UnknownVersion(KubeparcelError):
    """A version that nobody published, or that cannot be read as one."""

    exit_code = 2


class ExternalError(KubeparcelError):
    """Something outside failed: network, disk, a tool."""


class Unreachable(ExternalError):
    """A source does not answer at all."""


class DownloadError(ExternalError):
    """A source answered, but the file did not arrive."""


class DigestError(ExternalError):
    """Bytes are not the ones they should be; they were set aside, not used."""


class ArchiveError(ExternalError):
    """An archive is damaged, or holds what it must not; nothing of it was used."""


class ToolError(ExternalError):
    """A program that we run is missing, or failed; its output is part of the message."""


class DiskError(ExternalError):
    """The disk is full, read-only, or does not let us in."""


class Busy(ExternalError):
    """Another process is doing the same work in the same place."""
