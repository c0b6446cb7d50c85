"""Memory as a read-only file: for libraries that want to seek and read, without a copy first."""

from __future__ import annotations

import io
import os


class MemoryViewFile(io.RawIOBase):
    """A file over a view of memory, which it lets go of when it is closed.

    Closing matters: the libraries' objects refer to each other and to their file in circles, and
    would keep a whole payload in memory until the garbage collector comes by.
    """

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        end = None if size is None or size < 0 else self._at + size
        piece = self._view[self._at : end].tobytes()
        self._at += len(piece)
        return piece

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: len(self._view)}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        self._view = memoryview(b"")
        super().close()
