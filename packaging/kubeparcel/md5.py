"""The md5 of binaries in the store: debs list it, and finding it out takes as long as unpacking."""

from __future__ import annotations

import hashlib

from kubeparcel.store import Store

KIND = "md5"
LARGE = 1 << 20
"""Of smaller files, in bytes, it is found out sooner than looked up."""


def of(store: Store, sha256: str, data: memoryview) -> str:
    """The md5, in hexadecimal, of bytes that have this sha256; remembered."""
    known = store.get_record(KIND, sha256) if len(data) >= LARGE else None
    if isinstance(known, str):
        return known
    found = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if len(data) >= LARGE:
        store.put_record(KIND, sha256, found)
    return found


def note(store: Store, sha256: str) -> None:
    """Find it out now of a file that just came into the store: it is still in memory."""
    of(store, sha256, memoryview(store.path(sha256).read_bytes()))
