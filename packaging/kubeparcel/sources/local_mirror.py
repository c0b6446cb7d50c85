"""The transport for a mirror: a local folder, or HTTP as for upstream itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

from kubeparcel.beneath import open_without_links
from kubeparcel.errors import ConfigurationError, DownloadError, Unreachable
from kubeparcel.files import translate_os_errors
from kubeparcel.paths import user_path
from kubeparcel.sanitize import redact_url
from kubeparcel.sources.http.download import HttpTransport
from kubeparcel.sources.http.retry import RetryPolicy
from kubeparcel.sources.http.urls import check_url
from kubeparcel.sources.transport import FileStat, ProgressCallback, Transport
from kubeparcel.threads import CancelToken

BLOCK_SIZE = 1 << 20
MAX_TEXT = 1 << 16


class LocalMirror:
    """Upstream's files as ROOT/HOST/PATH."""

    verb: ClassVar[str] = "Copy"

    def __init__(self, root: Path) -> None:
        self.root = user_path(root)

    def path(self, address: str) -> Path:
        """Return the path of an address, whether or not the file exists."""
        parts = urlsplit(address)
        return self.root / parts.netloc / parts.path.lstrip("/")

    def location(self, address: str) -> str:
        return str(self.path(address))

    def probe(self, address: str) -> None:
        if self.read(address, None) is None:
            raise Unreachable(
                f"{self.location(address)} does not exist.",
                "Fill the folder where upstream can be reached: inv mirror --to DIR",
            )

    def read(self, address: str, token: CancelToken | None) -> str | None:
        with self._open_errors(address) as path:
            if not path.is_file():
                return None
            with path.open("rb") as file:
                return file.read(MAX_TEXT).decode("utf-8", "replace")

    def ask(self, address: str, document: Any, token: CancelToken) -> bytes | None:
        return None

    def stat(self, address: str, token: CancelToken) -> FileStat | None:
        with self._open_errors(address) as path:
            if not path.is_file():
                return None
            status = path.stat()
            return FileStat(status.st_size, int(status.st_mtime))

    def copy(self, address: str, part: Path, on_progress: ProgressCallback, token: CancelToken) -> str:
        digest = hashlib.sha256()
        with self._open_errors(address) as path:
            source = path.open("rb")
        with source, translate_os_errors(part), open(part, "wb", opener=open_without_links) as target:
            total = path.stat().st_size
            on_progress(0, total)
            while block := source.read(BLOCK_SIZE):
                token.raise_if_cancelled()
                target.write(block)
                digest.update(block)
                on_progress(target.tell(), total)
        return digest.hexdigest()

    @contextmanager
    def _open_errors(self, address: str) -> Iterator[Path]:
        """Yield the path of an address, and turn errors of reading it into DownloadError."""
        if not self.root.is_dir():
            raise Unreachable(f"The mirror folder {self.root} does not exist.", "Check --mirror.")
        path = self.path(address)
        try:
            yield path
        except FileNotFoundError:
            raise DownloadError(f"{path} does not exist.", "Fill the folder: inv mirror --to DIR") from None
        except OSError as error:
            raise DownloadError(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from None


def create_transport(mirror: str, policy: RetryPolicy) -> Transport:
    """Return the transport for a mirror (a URL or a folder), or for upstream if it is empty.

    A mirror has upstream's `https://HOST/PATH` as `MIRROR/HOST/PATH`.
    """
    scheme, separator, _ = mirror.partition("://")
    if not mirror or scheme.lower() in {"http", "https"}:
        return HttpTransport(check_url(mirror) if mirror else "", policy)
    if not separator:
        return LocalMirror(Path(mirror))
    if scheme.lower() == "file":
        return LocalMirror(Path(url2pathname(urlsplit(check_url(mirror)).path)))
    raise ConfigurationError(
        f"Invalid mirror {redact_url(mirror)!r}: unknown scheme {scheme}://.",
        "Expected a folder, or a URL that begins with http, https or file.",
    )
