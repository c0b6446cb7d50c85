"""The Protocol of transports, which read upstream's files from a server or a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeAlias

from kubeparcel.threads import CancelToken

ProgressCallback: TypeAlias = Callable[[int, int | None], None]
"""Receives the bytes of a file that have arrived, and its size (None if unknown)."""


@dataclass(frozen=True)
class FileStat:
    """The size of a file in bytes (None if unknown), and its time stamp in seconds since 1970 (0 if unknown)."""

    size: int | None
    modified: int


class Transport(Protocol):
    """Reads upstream's files; `address` is always upstream's own URL, https://HOST/PATH."""

    verb: ClassVar[str]

    def location(self, address: str) -> str:
        """Return the URL or path that is read for an address, without credentials."""

    def probe(self, address: str) -> None:
        """Raise Unreachable unless a file is available, within a few seconds."""

    def read(self, address: str, token: CancelToken) -> str | None:
        """Return the text of a small file; None if the file does not exist."""

    def ask(self, address: str, document: Any, token: CancelToken) -> bytes | None:
        """Return a service's answer to a JSON document; None if there is no such service, as in a folder."""

    def stat(self, address: str, token: CancelToken) -> FileStat | None:
        """Return size and time stamp of a file without reading it; None if it does not exist."""

    def copy(self, address: str, part: Path, on_progress: ProgressCallback, token: CancelToken) -> str:
        """Copy a file to `part`, resuming a partial copy, and return its SHA-256."""
