"""Decompress payloads, control archives and index files: one table of what is supported."""

from __future__ import annotations

import bz2
import gzip
import lzma
import mmap
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import zstandard

from kubeparcel.packages import limits
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.limits import Limit
from kubeparcel.packages.memory_file import MemoryViewFile

_BLOCK = 1 << 20
_FRAME_HEADER_MAX = 18
_XZ_MEMORY = 128 << 20
_ERRORS = (EOFError, OSError, ValueError, MemoryError, lzma.LZMAError, zlib.error, zstandard.ZstdError)


class Compression(NamedTuple):
    """A compression by its file name suffix.

    `open_stream` decompresses a file object; `decompress` small data, up to a number of bytes,
    several times faster. It raises EOFError for incomplete data.
    """

    suffix: str
    magic: bytes
    open_stream: Callable[[Any], Any]
    decompress: Callable[[bytes, int], bytes]


def _decompress(new: Callable[[], Any], data: bytes, limit: int) -> bytes:
    decompressor = new()
    plain: bytes = decompressor.decompress(data, limit)
    if not decompressor.eof and len(plain) < limit:
        raise EOFError("truncated")
    return plain


def _decompress_zstd(data: bytes, limit: int) -> bytes:
    with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as stream:
        return stream.read(limit)


COMPRESSIONS: Mapping[str, Compression] = {
    "none": Compression("", b"", lambda file: file, lambda data, _: data),
    "gzip": Compression(
        ".gz",
        b"\x1f\x8b",
        lambda file: gzip.GzipFile(fileobj=file),
        partial(_decompress, lambda: zlib.decompressobj(31)),
    ),
    "xz": Compression(
        ".xz",
        b"\xfd7zXZ\x00",
        partial(lzma.LZMAFile, format=lzma.FORMAT_XZ),
        partial(_decompress, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _XZ_MEMORY)),
    ),
    "zstd": Compression(
        ".zst",
        b"\x28\xb5\x2f\xfd",
        lambda file: zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True),
        _decompress_zstd,
    ),
    "bzip2": Compression(".bz2", b"BZh", bz2.BZ2File, partial(_decompress, bz2.BZ2Decompressor)),
    "lzma": Compression(
        ".lzma",
        b"",
        partial(lzma.LZMAFile, format=lzma.FORMAT_ALONE),
        partial(_decompress, lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, _XZ_MEMORY)),
    ),
}
"""The compressions of packages and indexes, by the names that rpm has for them."""

_BY_SUFFIX = {compression.suffix: name for name, compression in COMPRESSIONS.items()}


def compression_of(name: str, stem: str) -> str:
    """Return the compression of an archive member `name`, which is `stem` and a suffix."""
    suffix = name.removeprefix(stem)
    if suffix not in _BY_SUFFIX:
        raise MalformedData(f"{name} has an unsupported compression")
    return _BY_SUFFIX[suffix]


def decompress(data: bytes, compression: str, name: str, limit: Limit) -> bytes:
    """Return the plain bytes of something small; raise MalformedData, naming `name`."""
    try:
        plain = COMPRESSIONS[compression].decompress(data, limit.maximum + 1)
    except _ERRORS as error:
        raise MalformedData(f"{name} cannot be decompressed ({error})") from None
    limit.check(len(plain), name)
    return plain


def decompress_index(name: str, data: bytes) -> bytes:
    """Return the plain bytes of an index, compressed as its suffix says; raise MalformedData."""
    suffix = f".{name.rpartition('.')[2]}"
    return decompress(data, _BY_SUFFIX.get(suffix, "none"), name, limits.INDEX)


def decompress_payload(packed: memoryview, compression: str, name: str, limit: Limit) -> tuple[memoryview, int]:
    """Return the plain bytes and the number of zstd frames (0 for other compressions).

    Raises MalformedData, naming `name`, for bytes that are compressed otherwise, damaged,
    truncated, or larger than a limit when decompressed.
    """
    codec = COMPRESSIONS.get(compression)
    if codec is None:
        raise MalformedData(f"{name} has the unsupported compression {compression!r}")
    if not packed[:6].tobytes().startswith(codec.magic):
        raise MalformedData(f"{name} is not compressed with {compression}")
    if compression == "none":
        limit.check(len(packed), name)
        return packed, 0
    frames = _zstd_frames(packed, name) if compression == "zstd" else 0
    try:
        with MemoryViewFile(packed) as file, codec.open_stream(file) as stream:
            return read_into_mmap(stream, name, 4 * len(packed), limit, len(packed)), frames
    except MalformedData:
        raise
    except _ERRORS as error:
        raise MalformedData(f"{name} cannot be decompressed ({error})") from None


def read_into_mmap(stream: Any, name: str, size_hint: int, limit: Limit, packed_size: int = 0) -> memoryview:
    """Read a stream to its end into anonymous memory, which grows without being copied.

    `size_hint` is its probable size, `packed_size` its compressed size, if any, in bytes. Raises
    MalformedData, naming `name`, above the limit, or above that of the ratio.
    """
    most = max(limits.RATIO_FREE, packed_size * limits.RATIO.maximum) if packed_size else limit.maximum
    memory = mmap.mmap(-1, max(size_hint, _BLOCK), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # a kernel without huge pages, which halve the time this takes
        memory.madvise(mmap.MADV_HUGEPAGE)
    size = 0
    while True:
        if size == len(memory):
            memory.resize(2 * size)
        with memoryview(memory) as view, view[size : size + _BLOCK] as block:
            count = stream.readinto(block)
        if not count:
            return memoryview(memory)[:size].toreadonly()
        size += count
        limit.check(size, name)
        if size > most:
            limits.RATIO.check(max(size // packed_size, limits.RATIO.maximum + 1), name)


def _zstd_frames(packed: memoryview, name: str) -> int:
    """Count the frames of zstd data (RFC 8878, 3.1), except skippable ones.

    Raises MalformedData when the last one is truncated: the library's reader does not notice.
    """
    count = offset = 0
    while offset < len(packed):
        magic = int.from_bytes(packed[offset : offset + 4], "little")
        if magic & 0xFFFFFFF0 == 0x184D2A50:
            offset += 8 + int.from_bytes(packed[offset + 4 : offset + 8], "little")
        else:
            offset = _frame_end(packed, offset, name)
            count += 1
    if offset > len(packed):
        raise MalformedData(f"{name} is truncated")
    return count


def _frame_end(packed: memoryview, offset: int, name: str) -> int:
    start = packed[offset : offset + _FRAME_HEADER_MAX]
    try:
        has_checksum = zstandard.get_frame_parameters(start).has_checksum
        offset += zstandard.frame_header_size(start)
    except zstandard.ZstdError as error:
        raise MalformedData(f"{name} cannot be decompressed ({error})") from None
    last = False
    while not last:
        if offset + 3 > len(packed):
            raise MalformedData(f"{name} is truncated")
        header = int.from_bytes(packed[offset : offset + 3], "little")
        last = bool(header & 1)
        run_length = header >> 1 & 3 == 1
        offset += 3 + (1 if run_length else header >> 3)
    return offset + (4 if has_checksum else 0)
