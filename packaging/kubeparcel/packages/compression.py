"""Compressed bytes, in any of the ways packages are compressed, become plain bytes."""

from __future__ import annotations

import bz2
import gzip
import lzma
import mmap
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import zstandard

from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.memory_file import MemoryViewFile

LIMIT = 2 << 30
"""More than this is not unpacked: a small file can claim to be endless."""

_BLOCK = 1 << 20
_FRAME_HEADER_MAX = 18
_MAGIC: Mapping[str, bytes] = {
    "zstd": b"\x28\xb5\x2f\xfd",
    "gzip": b"\x1f\x8b",
    "xz": b"\xfd7zXZ\x00",
    "bzip2": b"BZh",
}
_OPEN: Mapping[str, Callable[[Any], Any]] = {
    "zstd": lambda file: zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True),
    "gzip": lambda file: gzip.GzipFile(fileobj=file),
    "xz": partial(lzma.LZMAFile, format=lzma.FORMAT_XZ),
    "lzma": partial(lzma.LZMAFile, format=lzma.FORMAT_ALONE),
    "bzip2": bz2.BZ2File,
}


def unpack(packed: memoryview, compression: str, what: str) -> tuple[memoryview, int]:
    """The plain bytes, and how many zstd frames they were in (0 for other compressions).

    `compression` is zstd, gzip, xz, lzma, bzip2 or none. Raises Malformed, naming `what`, when
    the bytes are of another kind, damaged, cut short, or unpack to more than LIMIT.
    """
    if compression != "none" and compression not in _OPEN:
        raise MalformedData(f"{what}: its compression {compression!r} is unknown")
    if not packed[:6].tobytes().startswith(_MAGIC.get(compression, b"")):
        raise MalformedData(f"{what} should be {compression}, and is not")
    if compression == "none":
        return packed, 0
    frames = _zstd_frames(packed, what) if compression == "zstd" else 0
    try:
        with MemoryViewFile(packed) as file, _OPEN[compression](file) as stream:
            return read_into_mmap(stream, what, 4 * len(packed)), frames
    except (EOFError, OSError, lzma.LZMAError, zlib.error, zstandard.ZstdError) as error:
        raise MalformedData(f"{what} cannot be unpacked ({error})") from None


def read_into_mmap(stream: Any, what: str, guess: int) -> memoryview:
    """All that a stream gives, in memory that grows without being copied.

    `guess` is how many bytes it may be. Raises Malformed, naming `what`, for more than LIMIT.
    """
    plain = mmap.mmap(-1, max(guess, _BLOCK), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # a kernel without large pages; they halve the time this takes
        plain.madvise(mmap.MADV_HUGEPAGE)
    at = 0
    while True:
        if at == len(plain):
            plain.resize(2 * at)
        with memoryview(plain) as whole, whole[at : at + _BLOCK] as block:
            count = stream.readinto(block)
        if not count:
            return memoryview(plain)[:at].toreadonly()
        at += count
        if at > LIMIT:
            raise MalformedData(f"{what} has more than {LIMIT >> 30} GiB")


def _zstd_frames(packed: memoryview, what: str) -> int:
    """How many frames zstd data has (RFC 8878, 3.1), skippable ones not counted.

    Raises Malformed when the last one is cut short: the library's reader does not notice.
    """
    count = at = 0
    while at < len(packed):
        magic = int.from_bytes(packed[at : at + 4], "little")
        if magic & 0xFFFFFFF0 == 0x184D2A50:
            at += 8 + int.from_bytes(packed[at + 4 : at + 8], "little")
        else:
            at = _end_of_frame(packed, at, what)
            count += 1
    if at > len(packed):
        raise MalformedData(f"{what} is cut short")
    return count


def _end_of_frame(packed: memoryview, at: int, what: str) -> int:
    start = packed[at : at + _FRAME_HEADER_MAX]
    try:
        checksum = zstandard.get_frame_parameters(start).has_checksum
        at += zstandard.frame_header_size(start)
    except zstandard.ZstdError as error:
        raise MalformedData(f"{what} cannot be unpacked ({error})") from None
    last = False
    while not last:
        if at + 3 > len(packed):
            raise MalformedData(f"{what} is cut short")
        header = int.from_bytes(packed[at : at + 3], "little")
        last = bool(header & 1)
        run_length = header >> 1 & 3 == 1
        at += 3 + (1 if run_length else header >> 3)
    return at + (4 if checksum else 0)
