"""Tar archives: the programs in them, and nothing of what an archive could do to us."""

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

ELF = b"\x7fELF"
LARGEST = 2 << 30
"""How many bytes an archive may hold unpacked: ten times what any release has had."""
MEMBERS = 1000
_EXTRA = 1 << 20
"""How long a header's own data (a long name, say) may be: tarfile holds it in memory."""
_BLOCK = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")

_DAMAGE = (
    tarfile.TarError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    zstandard.ZstdError,
)


class _Refused(Exception):
    """Why an archive is not accepted."""


_TODO = "Nothing of it was used. Its digest is the right one: tell those who published it."


def cached_programs(store: Store, sha256: str) -> Mapping[str, str] | None:
    """The programs of an archive that was unpacked before and are still in the store, or None."""
    found = store.get_record("archive", sha256)
    return found if found and all(store.has(one) for one in found.values()) else None


def unpack_programs(store: Store, sha256: str, what: str) -> Mapping[str, str]:
    """Unpack an archive of the store into the store: the name and sha256 of each program.

    Programs are the ELF files in it; owners and modes do not matter. The answer is remembered.
    Raises ArchiveError, naming `what`, when the archive is damaged or holds anything else than
    files and folders at decent places; then nothing of it is stored.
    """
    with store.scratch() as folder, translate_os_errors(folder):
        try:
            found = _unpacked(store.path(sha256), folder)
        except _DAMAGE as error:
            raise ArchiveError(f"{what}: the archive is damaged: {error}.", _TODO) from None
        except _Refused as error:
            raise ArchiveError(f"{what}: the archive {error}.", _TODO) from None
        for name, one in found.items():
            store.add_hashed(folder / name, one)
    store.put_record("archive", sha256, found)
    return found


def _unpacked(archive: Path, folder: Path) -> dict[str, str]:
    """Write the programs into a folder; give the sha256 of each by its name, in order of names."""
    found: dict[str, str] = {}
    seen: set[PurePosixPath] = set()
    with (
        archive.open("rb") as packed,
        _opened(packed) as plain,
        tarfile.open(fileobj=_Capped(plain), mode="r|", bufsize=_BLOCK, tarinfo=_Member) as tar,
    ):
        for member in tar:
            path = _decent(member)
            if path in seen:
                raise _Refused(f"holds {member.name!r} twice")
            seen.add(path)
            if len(seen) > MEMBERS:
                raise _Refused(f"holds more than {MEMBERS} files")
            content = tar.extractfile(member)
            if content is None or content.read(len(ELF)) != ELF:
                continue
            if path.name in found or not _NAME.fullmatch(path.name):
                raise _Refused(f"holds a program named {path.name!r}, or two")
            found[path.name] = _written(content, folder / path.name)
    if not found:
        raise _Refused("holds no programs")
    return dict(sorted(found.items()))


def _decent(member: tarfile.TarInfo) -> PurePosixPath:
    """The path of a file or folder inside its archive; raises _Refused for any other thing."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise _Refused(f"holds {member.name!r}, which is a place outside of it")
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise _Refused(f"holds {member.name!r}, which is no plain file or folder")
    return path


def _written(content: IO[bytes], target: Path) -> str:
    """Write a program whose first bytes have been read already; give its sha256."""
    digest = hashlib.sha256(ELF)
    with target.open("xb") as file:
        file.write(ELF)
        while block := content.read(_BLOCK):
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def _opened(packed: BinaryIO) -> IO[bytes]:
    """The plain tar inside, by what the file begins with."""
    start = packed.read(6)
    packed.seek(0)
    for magic, opened in _PACKERS.items():
        if start.startswith(magic):
            return opened(packed)
    return packed


_PACKERS: Mapping[bytes, Callable[[BinaryIO], IO[bytes]]] = {
    b"\x1f\x8b": lambda packed: cast(IO[bytes], gzip.GzipFile(fileobj=packed)),
    b"\xfd7zXZ\0": lzma.open,
    b"(\xb5/\xfd": zstandard.open,
    b"BZh": bz2.open,
}


class _Capped(io.RawIOBase):
    """A stream that ends with an error when more comes out than an archive may hold."""

    def __init__(self, plain: IO[bytes]) -> None:
        self.plain = plain
        self.left = LARGEST

    def read(self, size: int = -1) -> bytes:
        block = self.plain.read(min(size, _BLOCK) if size >= 0 else _BLOCK)
        self.left -= len(block)
        if self.left < 0:
            raise _Refused(f"holds more than {quantity(LARGEST, 'B')}")
        return block


class _Member(tarfile.TarInfo):
    """A header as it is read: what is wrong with one is an error, never the archive's end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            member = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if not buf.strip(b"\0"):
                raise
            raise tarfile.ReadError(str(error)) from None
        if not member.isreg() and member.size > _EXTRA:
            raise _Refused(f"holds a header of {quantity(member.size, 'B')}")
        return member
