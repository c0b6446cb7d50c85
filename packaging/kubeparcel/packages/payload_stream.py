"""Read payloads and indexes as streams: decompressed, hashed and limited on the way, in constant memory."""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from kubeparcel.files import translate_os_errors
from kubeparcel.packages import limits
from kubeparcel.packages.compression import (
    COMPRESSIONS,
    ERRORS,
    MAGIC_SIZE,
    compression_by_suffix,
    count_zstd_frames,
    decompression_error,
)
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.limits import Limit

BLOCK_SIZE = 1 << 20


class PackedData(io.RawIOBase):
    """Bytes to decompress that are read once, from their start to their end; `size` is their number."""

    size: int

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer)) or b""
        buffer[: len(data)] = data
        return len(data)


class FileSection(PackedData):
    """A part of a file; `hashes` are updated with it."""

    def __init__(self, file: BinaryIO, start: int, size: int, hashes: Sequence[Any] = ()) -> None:
        self._file, self._offset, self._end, self._hashes = file, start, start + size, hashes
        self.size = size

    def read(self, size: int = -1) -> bytes:
        rest = self._end - self._offset
        with translate_os_errors(Path(str(getattr(self._file, "name", "the package")))):
            self._file.seek(self._offset)
            data = self._file.read(rest if size < 0 else min(size, rest))
        self._offset += len(data)
        for state in self._hashes:
            state.update(data)
        return data

    def peek(self, size: int) -> bytes:
        """Return the first `size` bytes without reading them."""
        self._file.seek(self._offset)
        return self._file.read(min(size, self.size))

    def count_zstd_frames(self, name: str) -> int:
        """Return the number of zstd frames in an unread section; raise MalformedData."""
        return count_zstd_frames(self._file, self._offset, self.size, name)

    def drain(self) -> None:
        """Read what is left, for the hashes."""
        while self._hashes and self.read(BLOCK_SIZE):
            pass


class _Blocks(PackedData):
    """A file of blocks; its size is what has been read so far."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._rest = memoryview(b"")
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return b""
            self._rest = memoryview(block)
        data, self._rest = bytes(self._rest[:size]), self._rest[size:]
        self.size += len(data)
        return data


class PayloadStream:
    """Plain bytes, which `source` decompresses from `packed`, read once from their start to their end.

    `zstd_frames` is the number of frames of zstd data, 0 for other compressions. `hashes` are updated with what is
    read. Reading raises MalformedData for damaged data, and above the limits of size, ratio and time.
    """

    def __init__(
        self,
        source: Any,
        name: str,
        limit: Limit,
        packed: PackedData,
        time_limit: Limit,
        zstd_frames: int = 0,
        hashes: Sequence[Any] = (),
    ) -> None:
        self.name, self.zstd_frames, self._time_limit = name, zstd_frames, time_limit
        self._source, self._packed, self._limit, self._hashes = source, packed, limit, hashes
        self._buffer = memoryview(bytearray(min(BLOCK_SIZE, limit.maximum + 1)))
        self._start = self._end = self._total = 0
        self._started = time.thread_time()

    @property
    def position(self) -> int:
        """The number of bytes read so far."""
        return self._total - (self._end - self._start)

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer at the end of the payload."""
        end = self._start + size
        if end <= self._end:
            data = bytes(self._buffer[self._start : end])
            self._start = end
            return data
        return b"".join(map(bytes, self._blocks(size)))

    def blocks(self, size: int, subject: str) -> Iterator[memoryview]:
        """Yield the next `size` bytes, each block valid until the next; raise MalformedData if they are incomplete."""
        for block in self._blocks(size):
            size -= len(block)
            yield block
        if size:
            raise MalformedData(f"{self.name} is truncated in {subject}")

    def rest(self) -> Iterator[memoryview]:
        """Yield all bytes up to the end."""
        return self._blocks(self._limit.maximum + 1)

    def skip_to(self, position: int, subject: str) -> None:
        """Skip the bytes before a position; raise MalformedData if the payload ends before it."""
        for _ in self.blocks(position - self.position, subject):
            pass

    def _blocks(self, size: int) -> Iterator[memoryview]:
        while size > 0:
            if self._start == self._end and not self._fill():
                return
            block = self._buffer[self._start : min(self._end, self._start + size)]
            self._start += len(block)
            size -= len(block)
            yield block

    def _fill(self) -> bool:
        """Read the next block; return whether there is one."""
        try:
            count = self._source.readinto(self._buffer) or 0
        except MalformedData:
            raise
        except ERRORS as error:
            raise decompression_error(self.name, error) from None
        self._start, self._end = 0, count
        self._total += count
        for state in self._hashes:
            state.update(self._buffer[:count])
        self._check_limits()
        return bool(count)

    def _check_limits(self) -> None:
        self._limit.check(self._total, self.name)
        if self._total > limits.RATIO_FREE:
            limits.RATIO.check(self._total // max(self._packed.size, 1), self.name)
        if time.thread_time() - self._started > self._time_limit.maximum:
            raise self._time_limit.exceeded(self.name)


def open_payload(
    section: FileSection,
    compression: str,
    name: str,
    limit: Limit,
    hashes: Sequence[Any] = (),
    time_limit: Limit = limits.READING_TIME,
) -> PayloadStream:
    """Return the plain bytes of a section; raise MalformedData if it is compressed otherwise."""
    codec = COMPRESSIONS.get(compression)
    if codec is None:
        raise MalformedData(f"{name} has the unsupported compression {compression!r}")
    if not section.peek(MAGIC_SIZE).startswith(codec.magic):
        raise MalformedData(f"{name} is not compressed with {compression}")
    frames = section.count_zstd_frames(name) if compression == "zstd" else 0
    return PayloadStream(codec.open_stream(section), name, limit, section, time_limit, frames, hashes)


def plain_blocks(name: str, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the plain bytes of an index, decompressed by its suffix. Raises MalformedData, also above the limits."""
    packed = _Blocks(blocks)
    source = COMPRESSIONS[compression_by_suffix(name)].open_stream(packed)
    return map(bytes, PayloadStream(source, name, limits.INDEX, packed, limits.INDEX_TIME).rest())
