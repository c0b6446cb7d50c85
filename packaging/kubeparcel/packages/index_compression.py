"""Index files by their suffix become plain bytes."""

from __future__ import annotations

import bz2
import lzma
import zlib

import zstandard

from kubeparcel.packages.broken import MalformedData

LIMIT = 1 << 30


def unpack(name: str, data: bytes) -> bytes:
    """The plain bytes of a file that may be gzip, xz, zstd or bzip2; raises Malformed."""
    try:
        match name.rpartition(".")[2]:
            case "gz":
                return _all(zlib.decompressobj(31), data)
            case "xz":
                return _all(lzma.LZMADecompressor(), data)
            case "bz2":
                return _all(bz2.BZ2Decompressor(), data)
            case "zst":
                with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as s:
                    return s.read(LIMIT)
    except (zlib.error, lzma.LZMAError, zstandard.ZstdError, OSError, EOFError) as error:
        raise MalformedData(f"{name} cannot be unpacked ({error})") from None
    return data


def _all(machine: object, data: bytes) -> bytes:
    plain: bytes = machine.decompress(data, LIMIT)  # type: ignore[attr-defined]
    if not machine.eof:  # type: ignore[attr-defined]
        raise EOFError("it is cut short")
    return plain
