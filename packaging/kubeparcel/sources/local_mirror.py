"""A mirror that is a directory of this machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from kubeparcel.errors import DownloadError, Unreachable
from kubeparcel.store import translate_os_errors

if TYPE_CHECKING:
    from kubeparcel.sources.transport import ProgressCallback
    from kubeparcel.threads import CancelToken

BLOCK = 1 << 20
SMALL = 1 << 16


class LocalMirror:
    """Upstream's files as ROOT/HOST/PATH."""

    verb: ClassVar[str] = "Copy"

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()

    def location(self, address: str) -> str:
        return str(self.path(address))

    def path(self, address: str) -> Path:
        """Where the file of an address is, or would be."""
        parts = urlsplit(address)
        return self.root / parts.netloc / parts.path.lstrip("/")

    def probe(self, address: str) -> None:
        if self.read(address, None) is None:
            raise Unreachable(
                f"{self.location(address)} is not there.",
                "Fill the directory: inv mirror --to DIR (where upstream answers).",
            )

    def read(self, address: str, stop: CancelToken | None) -> str | None:
        with self._readable(address) as path:
            if not path.is_file():
                return None
            with path.open("rb") as file:
                return file.read(SMALL).decode("utf-8", "replace")

    def last_modified(self, address: str, stop: CancelToken) -> int | None:
        with self._readable(address) as path:
            return int(path.stat().st_mtime) if path.is_file() else None

    def copy(self, address: str, part: Path, at: ProgressCallback, stop: CancelToken) -> str:
        found = hashlib.sha256()
        with self._readable(address) as path:
            source = path.open("rb")
        with source, translate_os_errors(part), part.open("wb") as target:
            total = path.stat().st_size
            at(0, total)
            while block := source.read(BLOCK):
                stop.raise_if_cancelled()
                target.write(block)
                found.update(block)
                at(target.tell(), total)
        return found.hexdigest()

    @contextmanager
    def _readable(self, address: str) -> Iterator[Path]:
        """The path of an address; what the disk says against reading becomes an error."""
        if not self.root.is_dir():
            raise Unreachable(f"There is no mirror directory {self.root}.", "Check --mirror.")
        path = self.path(address)
        try:
            yield path
        except FileNotFoundError:
            raise DownloadError(
                f"{path} is not there.", "Fill the directory: inv mirror --to DIR."
            ) from None
        except OSError as error:
            raise DownloadError(
                f"{path} cannot be read: {error.strerror}.", "Check its permissions."
            ) from None
