"""Write the archive: the same files in the same order with the same times, whoever writes it."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from kubeparcel.bundle import model
from kubeparcel.errors import UsageError
from kubeparcel.files import atomic_write
from kubeparcel.images.tar import END, read_chunks, write_entry
from kubeparcel.reports.output import require_writable

ZSTD, PLAIN = ".tar.zst", ".tar"
_LEVEL = 10
_FIRST = (model.SUMS, model.SIGNATURE, model.MANIFEST, model.INSTALLER, model.KEY, model.KEYRING)
"""The members that a reader needs first."""


def require_new_file(target: Path) -> None:
    """Raise UsageError or DiskError unless a bundle can be written there: minutes of work precede it."""
    if not target.name.endswith((PLAIN, ZSTD)):
        raise UsageError(f"--to {target}: expected a name that ends in {PLAIN} or {ZSTD}.")
    if target.exists() or target.is_symlink():
        raise UsageError(f"--to {target} exists already.", "Choose another name, or remove it.")
    require_writable(target, "--to")


def write_archive(files: Mapping[str, Path], created: int, target: Path) -> None:
    """Write files, by their paths in the bundle, to a new archive. Raises DiskError; leaves no half file."""
    first = [path for path in _FIRST if path in files]
    with atomic_write(target) as part, part.open("wb") as file, _compressed(file, target) as out:
        for path in (*first, *sorted(files.keys() - set(first))):
            entry = tarfile.TarInfo(f"{model.TOP}/{path}")
            entry.size, entry.mtime = files[path].stat().st_size, created
            entry.mode = 0o755 if path == model.INSTALLER else 0o644
            write_entry(out, entry, read_chunks(files[path], 0, entry.size))
        out.write(END)


@contextmanager
def _compressed(file: BinaryIO, target: Path) -> Iterator[BinaryIO]:
    if not target.name.endswith(ZSTD):
        yield file
        return
    import zstandard

    with zstandard.ZstdCompressor(_LEVEL).stream_writer(file, closefd=False) as writer:
        yield cast(BinaryIO, writer)
