"""Tars without the padding to 10 KiB that tarfile writes, of entries that are read in chunks."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from posixpath import normpath
from typing import BinaryIO

CHUNK_SIZE = 1 << 20
"""The number of bytes of a file that are in memory at a time."""

END = b"\0" * 2 * tarfile.BLOCKSIZE
"""The end of a tar."""


def read_entries(tar_file: Path) -> dict[str, tarfile.TarInfo]:
    """Return the entries of an uncompressed tar by path."""
    with tarfile.open(tar_file, "r:") as tar:
        return {normpath(entry.name): entry for entry in tar}


def read_chunks(file: Path, offset: int, size: int) -> Iterator[bytes]:
    """Yield `size` bytes of a file from `offset`, fewer at its end."""
    with file.open("rb") as source:
        source.seek(offset)
        while size > 0 and (chunk := source.read(min(CHUNK_SIZE, size))):
            size -= len(chunk)
            yield chunk


def write_entry(out: BinaryIO, entry: tarfile.TarInfo, chunks: Iterable[bytes] = ()) -> None:
    """Write an entry; `chunks` are its `size` bytes."""
    out.write(entry.tobuf(tarfile.PAX_FORMAT))
    for chunk in chunks:  # noqa: FURB122 - zstandard's writers have no writelines()
        out.write(chunk)
    if entry.isreg():
        out.write(b"\0" * (-entry.size % tarfile.BLOCKSIZE))
