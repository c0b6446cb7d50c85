"""What indexes say of packages: from memory, else from what is published, else from the files."""

from __future__ import annotations

from collections.abc import Iterable

from ..model import Format
from . import debfile, incoming, rpmfile
from .broken import BrokenPackage, Malformed
from .memory import Memory, Pieces, Seen
from .storage import Storage
from .values import Package, State

HEAD = 1 << 18


def of(
    packages: Iterable[Package], storage: Storage, before: State, memory: Memory
) -> dict[str, Pieces]:
    """The pieces of all packages, by sha256; raises BrokenPackage for a published file that is."""
    wanted = {p.sha256: p for p in packages}
    found = memory.pieces(wanted)
    if len(found) == len(wanted):
        return found
    homes = {p.sha256: p.place(suite) for suite, held in before.suites.items() for p in held}
    fresh = {
        digest: _read(package, homes.get(digest, ""), storage)
        for digest, package in wanted.items()
        if digest not in found
    }
    memory.note([], fresh)
    return found | fresh


def _read(package: Package, place: str, storage: Storage) -> Pieces:
    """Read the first bytes of a published file again."""
    head = (storage.read(place, HEAD) if place else None) or b""
    try:
        more = (debfile.need if package.format is Format.DEB else rpmfile.need)(head)
        if more > len(head):
            head = storage.read(place, more) or b""
        if package.format is Format.DEB:
            text = debfile.control(head, package.size)
            return Pieces(debfile.stanza(text, package.path, package.size, package.sha256))
        return incoming.rpm(head, package.size, package.sha256, Seen(place, 0, 0, "")).pieces
    except Malformed as error:
        raise BrokenPackage(
            f"{storage.where}/{place}: {error}.",
            f"Publish {package.label} again with its file in --from, or: inv remove.",
        ) from None
