"""What can be wrong with a repository on its way to a client: a function for each, by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

Change = Callable[[bytes], bytes]


def cut(data: bytes) -> bytes:
    """As when a download ended half-way."""
    return data[: len(data) // 2]


def flipped(data: bytes) -> bytes:
    """One bit is another, the size is the same."""
    at = len(data) * 3 // 4
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def other_digest(data: bytes) -> bytes:
    """An entry that vouches for a file of other bytes."""
    return re.sub(rb"[0-9a-f]{64}", lambda match: match[0][::-1], data)


def packages(repo: Path) -> Iterator[Path]:
    """The files of kubectl."""
    return repo.glob("*/**/kubectl[-_]*")


def indexes(repo: Path) -> Iterator[Path]:
    """What the entries vouch for."""
    yield from (p for p in repo.glob("apt/dists/stable/main/**/*") if p.suffix != ".html")
    yield from repo.glob("yum/stable/repodata/*-*")


def entries(repo: Path) -> Iterator[Path]:
    """What clients read first."""
    yield from repo.glob("apt/dists/stable/*Release")
    yield from repo.glob("yum/stable/repodata/repomd.xml")


def signatures(repo: Path) -> Iterator[Path]:
    """What vouches for the entries, as files of their own."""
    yield from repo.glob("apt/dists/stable/*Release*")
    yield from repo.glob("yum/stable/repodata/repomd.xml.asc")


def unsigned(repo: Path) -> None:
    """Take the signatures away; apt's Release stays."""
    for path in signatures(repo):
        if path.name != "Release":
            path.unlink()


def _each(which: Callable[[Path], Iterator[Path]], change: Change) -> Callable[[Path], None]:
    def act(repo: Path) -> None:
        found = [path for path in which(repo) if path.is_file()]
        assert {"apt", "yum"} == {path.relative_to(repo).parts[0] for path in found}
        for path in found:
            path.write_bytes(change(path.read_bytes()))

    return act


DAMAGE: Mapping[str, Callable[[Path], None]] = {
    "tampered package": _each(packages, flipped),
    "truncated package": _each(packages, cut),
    "tampered index": _each(indexes, flipped),
    "truncated index": _each(indexes, cut),
    "tampered entry": _each(entries, other_digest),
    "truncated entry": _each(entries, cut),
    "no signature": unsigned,
}
