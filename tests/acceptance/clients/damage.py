"""Damage that a repository can suffer on the way to a client: a function for each kind, by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

Change = Callable[[bytes], bytes]


def truncate(data: bytes) -> bytes:
    """Cut the file in half, as an interrupted download does."""
    return data[: len(data) // 2]


def flip_bit(data: bytes) -> bytes:
    """Change one bit, but not the size."""
    position = len(data) * 3 // 4
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


def change_digests(data: bytes) -> bytes:
    """Change the digests that an entry file lists."""
    return re.sub(rb"[0-9a-f]{64}", lambda match: match[0][::-1], data)


def packages(repo: Path) -> Iterator[Path]:
    """The files of kubectl."""
    return repo.glob("*/**/kubectl[-_]*")


def indexes(repo: Path) -> Iterator[Path]:
    """The files that the entry files list."""
    yield from (p for p in repo.glob("apt/dists/stable/main/**/*") if p.suffix != ".html")
    yield from repo.glob("yum/stable/repodata/*-*")


def entries(repo: Path) -> Iterator[Path]:
    """The entry files, which clients read first."""
    yield from repo.glob("apt/dists/stable/*Release")
    yield from repo.glob("yum/stable/repodata/repomd.xml")


def signatures(repo: Path) -> Iterator[Path]:
    """The entry files and their signatures."""
    yield from repo.glob("apt/dists/stable/*Release*")
    yield from repo.glob("yum/stable/repodata/repomd.xml.asc")


def remove_signatures(repo: Path) -> None:
    """Remove the signatures; apt's Release stays."""
    for path in signatures(repo):
        if path.name != "Release":
            path.unlink()


def _change_each(select: Callable[[Path], Iterator[Path]], change: Change) -> Callable[[Path], None]:
    def damage(repo: Path) -> None:
        files = [path for path in select(repo) if path.is_file()]
        assert {"apt", "yum"} == {path.relative_to(repo).parts[0] for path in files}
        for path in files:
            path.write_bytes(change(path.read_bytes()))

    return damage


DAMAGE: Mapping[str, Callable[[Path], None]] = {
    "tampered package": _change_each(packages, flip_bit),
    "truncated package": _change_each(packages, truncate),
    "tampered index": _change_each(indexes, flip_bit),
    "truncated index": _change_each(indexes, truncate),
    "tampered entry": _change_each(entries, change_digests),
    "truncated entry": _change_each(entries, truncate),
    "no signature": remove_signatures,
}
