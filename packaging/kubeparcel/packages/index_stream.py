"""Index files of repositories as streams: hashed, decompressed within limits, and split into entries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kubeparcel.packages import limits
from kubeparcel.packages.compression import COMPRESSIONS, compression_by_suffix
from kubeparcel.packages.payload_stream import PackedData, PayloadStream

_BLANK_LINE = b"\n\n"


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


def plain_blocks(name: str, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the plain bytes of an index, decompressed by its suffix. Raises MalformedData, also above the limits."""
    packed = _Blocks(blocks)
    source = COMPRESSIONS[compression_by_suffix(name)].open_stream(packed)
    return map(bytes, PayloadStream(source, name, limits.INDEX, packed, limits.INDEX_TIME).rest())


def stanzas(name: str, blocks: Iterable[bytes]) -> Iterator[str]:
    """Yield the stanzas of an index of debs, which are separated by blank lines.

    Raises LimitExceeded for too many, or a too long one.
    """
    rest, count = b"", 0
    for block in blocks:
        *complete, rest = (rest + block).split(_BLANK_LINE)
        limits.CONTROL_FILE.check(len(rest), f"an entry in {name}")
        for stanza in complete:
            if stanza:
                count += 1
                yield _checked(name, stanza, count)
    if rest.strip():
        yield _checked(name, rest, count + 1)


def _checked(name: str, stanza: bytes, count: int) -> str:
    limits.CONTROL_FILE.check(len(stanza), f"an entry in {name}")
    limits.INDEX_ENTRIES.check(count, name)
    return stanza.decode("utf-8", "replace")
