"""Errors that a user, a file or the network can cause, each class with its exit code.

A message names the offending value and its place; the hint names the next step.
"""

from collections.abc import Iterable
from typing import ClassVar


class KubeparcelError(Exception):
    """The base of all errors that are reported as text, without a traceback.

    `message` names what is wrong and where; `hint` is what to do about it.
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
    """A check failed: packages or the lock are not as expected."""

    exit_code = 1


class UsageError(KubeparcelError):
    """The command line is invalid."""

    exit_code = 2


class ConfigurationError(KubeparcelError):
    """kubeparcel.yaml, kubeparcel.lock, the catalog or the environment has an invalid value."""

    exit_code = 2


class UnknownVersion(KubeparcelError):
    """A version was never published, or its text is invalid."""

    exit_code = 2


class ExternalError(KubeparcelError):
    """The network, the disk or another program failed."""


class Unreachable(ExternalError):
    """A source cannot be reached."""


class DownloadError(ExternalError):
    """A source was reached, but a download failed."""


class DigestError(ExternalError):
    """A file has another digest than expected; it was quarantined, not used."""


class SignatureError(ExternalError):
    """A signature is invalid, or a required one is missing; the signed file was not used."""


class ArchiveError(ExternalError):
    """An archive is damaged or contains something forbidden; nothing of it was used."""


class ToolError(ExternalError):
    """A required program is missing or failed; the message contains its output."""


class DiskError(ExternalError):
    """A file operation failed: disk full, read-only or permission denied."""


class Busy(ExternalError):
    """Another process has the lock on the same output or repository."""


def did_you_mean(word: str, names: Iterable[str], cutoff: float = 0.6, quote: str = "") -> str:
    """Return ` Did you mean NAME?` for the name that is most like a word, in quotes if given; empty if none is."""
    from difflib import get_close_matches

    nearest = get_close_matches(word, [*names], 1, cutoff)
    return f" Did you mean {quote}{nearest[0]}{quote}?" if nearest else ""
