"""Unpacks the programs of a tar archive, and rejects archives that contain anything harmful."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import re
import tarfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, Self, cast

import zstandard

from kubeparcel.console import quantity
from kubeparcel.errors import ArchiveError
from kubeparcel.store import Store, translate_os_errors

ELF_MAGIC = b"\x7fELF"
MAX_UNPACKED = 2 << 30
"""The largest unpacked archive in bytes: ten times that of any release so far."""
MAX_MEMBERS = 1000
_MAX_HEADER = 1 << 20
"""The longest data of a header (a long name, say), which tarfile keeps in memory."""
_BLOCK_SIZE = 1 << 20
_PROGRAM_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")

_DAMAGE_ERRORS = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, zstandard.ZstdError)

_HINT = "Nothing from it was used. Its digest is correct: report this to the publisher."


class _Rejected(Exception):
    """The reason why an archive is not accepted."""


def cached_programs(store: Store, sha256: str) -> Mapping[str, str] | None:
    """Return the programs of an archive that was unpacked before, if the store has them all."""
    programs = store.get_record("archive", sha256)
    return programs if programs and all(store.has(d) for d in programs.values()) else None


def unpack_programs(store: Store, sha256: str, label: str) -> Mapping[str, str]:
    """Unpack the ELF files of an archive in the store; return the SHA-256 of each by its name.

    Owners and modes are ignored. Raises ArchiveError, naming `label`, if the archive is damaged or has anything but
    files and folders inside it, and DigestError if the store's copy is another file; then nothing of it is stored.
    """
    archive = store.get(sha256, label)
    with store.scratch() as folder, translate_os_errors(folder):
        try:
            programs = _unpack(archive, folder)
        except _DAMAGE_ERRORS as error:
            raise ArchiveError(f"{label}: the archive is damaged: {error}.", _HINT) from None
        except _Rejected as error:
            raise ArchiveError(f"{label}: the archive {error}.", _HINT) from None
        for name, digest in programs.items():
            store.add_hashed(folder / name, digest)
    store.put_record("archive", sha256, programs)
    return programs


def _unpack(archive: Path, folder: Path) -> dict[str, str]:
    """Write the programs to a folder; return the SHA-256 of each, sorted by name."""
    programs: dict[str, str] = {}
    paths: set[PurePosixPath] = set()
    with (
        archive.open("rb") as packed,
        _decompress(packed) as plain,
        tarfile.open(fileobj=_LimitedStream(plain), mode="r|", bufsize=_BLOCK_SIZE, tarinfo=_Member) as tar,
    ):
        for member in tar:
            path = _safe_path(member)
            if path in paths:
                raise _Rejected(f"contains {member.name!r} twice")
            paths.add(path)
            if len(paths) > MAX_MEMBERS:
                raise _Rejected(f"contains more than {MAX_MEMBERS} files")
            content = tar.extractfile(member)
            if content is None or content.read(len(ELF_MAGIC)) != ELF_MAGIC:
                continue
            if path.name in programs or not _PROGRAM_NAME.fullmatch(path.name):
                problem = "two programs" if path.name in programs else "a program"
                raise _Rejected(f"contains {problem} named {path.name!r}")
            programs[path.name] = _write(content, folder / path.name)
    if not programs:
        raise _Rejected("contains no programs")
    return dict(sorted(programs.items()))


def _safe_path(member: tarfile.TarInfo) -> PurePosixPath:
    """Return the path of a file or folder in its archive; raise _Rejected for anything else."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise _Rejected(f"contains {member.name!r}, which is outside of the archive")
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise _Rejected(f"contains {member.name!r}, which is not a regular file or folder")
    return path


def _write(content: IO[bytes], target: Path) -> str:
    """Write a program whose magic has been read already; return its SHA-256."""
    digest = hashlib.sha256(ELF_MAGIC)
    with target.open("xb") as file:
        file.write(ELF_MAGIC)
        while block := content.read(_BLOCK_SIZE):
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def _decompress(packed: BinaryIO) -> IO[bytes]:
    """Open the tar inside a compressed file, by the magic of its first bytes."""
    start = packed.read(6)
    packed.seek(0)
    for magic, decompress in _DECOMPRESSORS.items():
        if start.startswith(magic):
            return decompress(packed)
    return packed


_DECOMPRESSORS: Mapping[bytes, Callable[[BinaryIO], IO[bytes]]] = {
    b"\x1f\x8b": lambda packed: cast(IO[bytes], gzip.GzipFile(fileobj=packed)),
    b"\xfd7zXZ\0": lzma.open,
    b"(\xb5/\xfd": zstandard.open,
    b"BZh": bz2.open,
}


class _LimitedStream(io.RawIOBase):
    """A stream that raises _Rejected after MAX_UNPACKED bytes."""

    def __init__(self, plain: IO[bytes]) -> None:
        self.plain = plain
        self.remaining = MAX_UNPACKED

    def read(self, size: int = -1) -> bytes:
        block = self.plain.read(min(size, _BLOCK_SIZE) if size >= 0 else _BLOCK_SIZE)
        self.remaining -= len(block)
        if self.remaining < 0:
            raise _Rejected(f"contains more than {quantity(MAX_UNPACKED, 'B')}")
        return block


class _Member(tarfile.TarInfo):
    """A header whose damage is an error, and not taken for the end of the archive."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            member = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if not buf.strip(b"\0"):
                raise
            raise tarfile.ReadError(str(error)) from None
        if not member.isreg() and member.size > _MAX_HEADER:
            raise _Rejected(f"contains a header of {quantity(member.size, 'B')}")
        return member
