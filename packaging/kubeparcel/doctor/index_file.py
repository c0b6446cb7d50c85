"""Reads an index in one pass: its digest, that of its decompressed text, and its entries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

from kubeparcel.doctor.findings import FileDigest, Hasher
from kubeparcel.packages import limits
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.payload_stream import plain_blocks

Entries = TypeVar("Entries")


class IndexFile(NamedTuple, Generic[Entries]):
    """What was read of an index. If its text is damaged, `problem` says how, and `text` and `entries` are None."""

    packed: FileDigest
    text: FileDigest | None = None
    entries: Entries | None = None
    problem: str = ""


def read_index(
    name: str,
    blocks: Iterable[bytes],
    listed: FileDigest,
    text_algorithms: Iterable[str],
    parse: Callable[[Iterator[bytes]], Entries] | None,
) -> IndexFile[Entries]:
    """Read an index: at most the listed size, or any size if that is negative.

    `parse` returns the entries of its decompressed blocks; without it, the index is only hashed.
    """
    packed, text = Hasher(listed.digests), Hasher(text_algorithms)
    most = limits.INDEX.maximum
    passed = packed.pass_on(blocks, most if listed.size < 0 else min(listed.size, most))
    entries, problem = None, ""
    try:
        if parse:
            plain = text.pass_on(plain_blocks(name, passed), most)
            entries = parse(plain)
            for _ in plain:
                pass
    except MalformedData as error:
        problem = str(error)
    for _ in passed:
        pass
    if parse is None or problem:
        return IndexFile(packed.result, problem=problem)
    return IndexFile(packed.result, text.result, entries)
