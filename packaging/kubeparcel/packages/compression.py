"""Decompress payloads, control archives and index files: one table of what is supported."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, BinaryIO, NamedTuple

import zstandard

from kubeparcel.packages import limits
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.limits import Limit

ERRORS = (EOFError, OSError, ValueError, MemoryError, lzma.LZMAError, zlib.error, zstandard.ZstdError)
"""What the decompressors raise for damaged data."""

MAGIC_SIZE = 6
"""The length of the longest magic of a compression."""

_READ_SIZE = 1 << 17
_FRAME_HEADER_MAX = 18
_XZ_OVERHEAD = 2 << 20


class Compression(NamedTuple):
    """A compression by its file name suffix.

    `open_stream` returns an object whose `readinto` decompresses a file object; `decompress` small
    data, up to a number of bytes, several times faster. Both raise EOFError for incomplete data.
    """

    suffix: str
    magic: bytes
    open_stream: Callable[[Any], Any]
    decompress: Callable[[bytes, int], bytes]


class _DecompressedFile:
    """Decompresses a file with one of Python's decompressors, also several streams one after the other."""

    def __init__(self, new: Callable[[], Any], file: BinaryIO) -> None:
        self._new, self._file, self._decompressor = new, file, new()
        self._packed = b""

    def readinto(self, buffer: memoryview) -> int:
        while True:
            if self._decompressor.eof and not self._next_stream():
                return 0
            starved = self._decompressor.needs_input
            data = self._packed or (self._file.read(_READ_SIZE) if starved else b"")
            self._packed = b""
            plain = self._decompressor.decompress(data, len(buffer))
            if plain:
                buffer[: len(plain)] = plain
                return len(plain)
            if starved and not data and not self._decompressor.eof:
                raise EOFError("truncated")

    def _next_stream(self) -> bool:
        """Start with the next stream, if there is one; zeros between streams are padding."""
        data = self._decompressor.unused_data.lstrip(b"\0")
        while not data and (more := self._file.read(_READ_SIZE)):
            data = more.lstrip(b"\0")
        self._packed = data
        if data:
            self._decompressor = self._new()
        return bool(data)


class _Gunzip:
    """zlib's decompressor with the attributes of the others."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(31)

    def decompress(self, data: bytes, size: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, size)

    needs_input = property(lambda self: not self._inner.unconsumed_tail)
    eof = property(lambda self: self._inner.eof)
    unused_data = property(lambda self: self._inner.unused_data)


def _decompress(new: Callable[[], Any], data: bytes, limit: int) -> bytes:
    decompressor = new()
    plain: bytes = decompressor.decompress(data, limit)
    if not decompressor.eof and len(plain) < limit:
        raise EOFError("truncated")
    return plain


def _new_xz(container: int) -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(container, limits.WINDOW.maximum + _XZ_OVERHEAD)


def _open_zstd(source: Any) -> Any:
    window = min(limits.WINDOW.maximum, 1 << zstandard.WINDOWLOG_MAX)
    return zstandard.ZstdDecompressor(max_window_size=window).stream_reader(source, read_across_frames=True)


def _decompress_zstd(data: bytes, limit: int) -> bytes:
    with _open_zstd(data) as stream:
        plain: bytes = stream.read(limit)
    return plain


def _python_compression(suffix: str, magic: bytes, new: Callable[[], Any]) -> Compression:
    return Compression(suffix, magic, partial(_DecompressedFile, new), partial(_decompress, new))


COMPRESSIONS: Mapping[str, Compression] = {
    "none": Compression("", b"", lambda file: file, lambda data, _: data),
    "gzip": _python_compression(".gz", b"\x1f\x8b", _Gunzip),
    "xz": _python_compression(".xz", b"\xfd7zXZ\x00", partial(_new_xz, lzma.FORMAT_XZ)),
    "zstd": Compression(".zst", b"\x28\xb5\x2f\xfd", _open_zstd, _decompress_zstd),
    "bzip2": _python_compression(".bz2", b"BZh", bz2.BZ2Decompressor),
    "lzma": _python_compression(".lzma", b"", partial(_new_xz, lzma.FORMAT_ALONE)),
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
    except ERRORS as error:
        raise decompression_error(name, error) from None
    limit.check(len(plain), name)
    return plain


def compression_by_suffix(name: str) -> str:
    """Return the compression that the suffix of a file's name stands for."""
    return _BY_SUFFIX.get(f".{name.rpartition('.')[2]}", "none")


def compression_by_magic(start: bytes) -> str:
    """Return the compression of data that begins with `start`, MAGIC_SIZE bytes; `none` if it has no known magic."""
    return next((name for name, row in COMPRESSIONS.items() if row.magic and start.startswith(row.magic)), "none")


def decompression_error(name: str, error: BaseException) -> MalformedData:
    """Return the error for one of ERRORS, raised while `name` was decompressed."""
    if "memory" in str(error).lower():  # "Memory usage limit exceeded", "Frame requires too much memory for decoding"
        return limits.WINDOW.exceeded(name)
    return MalformedData(f"{name} cannot be decompressed ({error})")


def count_zstd_frames(file: BinaryIO, start: int, size: int, name: str) -> int:
    """Count the frames of zstd data in a part of a file (RFC 8878, 3.1), except skippable ones.

    Raises MalformedData when the last one is truncated: the library's reader does not notice.
    """
    count = frames = blocks = 0
    offset, end = start, start + size
    while offset < end:
        frames += 1
        file.seek(offset)
        header = file.read(_FRAME_HEADER_MAX)
        if int.from_bytes(header[:4], "little") & 0xFFFFFFF0 == 0x184D2A50:
            offset += 8 + int.from_bytes(header[4:8], "little")
        else:
            offset, frame_blocks = _frame_end(file, header, offset, end, name)
            blocks += frame_blocks
            count += 1
        limits.ZSTD_BLOCKS.check(frames + blocks, name)
    if offset > end:
        raise MalformedData(f"{name} is truncated")
    return count


def _frame_end(file: BinaryIO, header: bytes, offset: int, end: int, name: str) -> tuple[int, int]:
    """Return the offset after a frame, and the number of its blocks."""
    try:
        parameters = zstandard.get_frame_parameters(header)
        offset += zstandard.frame_header_size(header)
    except zstandard.ZstdError as error:
        raise MalformedData(f"{name} cannot be decompressed ({error})") from None
    limits.WINDOW.check(parameters.window_size, name)
    blocks = 0
    last = False
    while not last:
        if offset + 3 > end:
            raise MalformedData(f"{name} is truncated")
        file.seek(offset)
        block = int.from_bytes(file.read(3), "little")
        last = bool(block & 1)
        run_length = block >> 1 & 3 == 1
        offset += 3 + (1 if run_length else block >> 3)
        blocks += 1
        limits.ZSTD_BLOCKS.check(blocks, name)
    return offset + (4 if parameters.has_checksum else 0), blocks
