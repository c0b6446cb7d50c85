"""A memory view as a seekable read-only file, for libraries that only read files."""

from __future__ import annotations

import io
import os
from collections.abc import Callable


class MemoryViewFile(io.RawIOBase):
    """A file over a memory view, which it releases when closed.

    Close it: the libraries' objects form reference cycles with their file, and would keep the bytes
    in memory until the next garbage collection.
    """

    def __init__(self, view: memoryview, on_read: Callable[[int], None] | None = None) -> None:
        """Read from `view`; `on_read` is called with the bytes of each read, and may raise."""
        self._view = view
        self._offset = 0
        self._on_read = on_read

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        end = None if size is None or size < 0 else self._offset + size
        data = self._view[self._offset : end].tobytes()
        self._offset += len(data)
        if self._on_read:
            self._on_read(len(data))
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._offset, os.SEEK_END: len(self._view)}[whence]
        self._offset = max(0, start + offset)
        return self._offset

    def tell(self) -> int:
        return self._offset

    def close(self) -> None:
        self._view = memoryview(b"")
        super().close()
