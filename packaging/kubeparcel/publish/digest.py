"""One pass over a package file: its first bytes, its size and its sha256."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HEAD = 1 << 18
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Digested:
    """`head` are the first bytes, as many as the caller's `need` asks for."""

    head: bytes
    size: int
    sha256: str


def digest(path: Path, need: Any = None) -> Digested:
    """Read a file once. `need(head)` says how many bytes are wanted, if more than 256 KiB."""
    with path.open("rb", buffering=0) as file:
        head = file.read(HEAD)
        more = max(need(head) - len(head), 0) if need else 0
        while more > 0 and (block := file.read(more)):
            head += block
            more -= len(block)
        state = hashlib.sha256(head)
        size = len(head)
        if size >= HEAD:
            buffer = bytearray(_BLOCK)
            view = memoryview(buffer)
            while count := file.readinto(buffer):
                state.update(view[:count])
                size += count
    return Digested(head, size, state.hexdigest())
