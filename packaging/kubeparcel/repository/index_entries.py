"""What indexes say of packages: from memory, else from what is published, else from the files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from kubeparcel.model import Format
from kubeparcel.packages.broken import BrokenPackage, Malformed
from kubeparcel.packages.deb import deb_metadata
from kubeparcel.packages.rpm import rpm_metadata
from kubeparcel.repository.candidates import read as incoming
from kubeparcel.repository.model import Package, State
from kubeparcel.repository.package_cache import FileStamp, IndexEntry, PackageCache
from kubeparcel.repository.storage.base import Storage

HEAD = 1 << 18


class IndexEntries(NamedTuple):
    """What indexes say, by sha256: of debs a stanza each, of rpms pieces of XML."""

    debs: Mapping[str, str]
    rpms: Mapping[str, IndexEntry]


def load_index_entries(
    packages: Iterable[Package], storage: Storage, before: State, memory: PackageCache
) -> IndexEntries:
    """What they say of packages at least; raises BrokenPackage for a published file that is."""
    wanted = {p.sha256: p for p in packages}
    debs = {digest for digest, p in wanted.items() if p.format is Format.DEB}
    rpms = wanted.keys() - debs
    said = IndexEntries(
        memory.deb_stanzas(debs) if debs else {}, memory.index_entries(rpms) if rpms else {}
    )
    fresh = wanted.keys() - said.debs.keys() - said.rpms.keys()
    if not fresh:
        return said
    homes = {
        p.sha256: p.repository_path(suite) for suite, held in before.suites.items() for p in held
    }
    read = {digest: _read(wanted[digest], homes.get(digest, ""), storage) for digest in fresh}
    memory.store_packages([], read)
    return IndexEntries(
        {**said.debs, **{digest: read[digest].primary for digest in fresh & debs}},
        {**said.rpms, **{digest: read[digest] for digest in fresh & rpms}},
    )


def _read(package: Package, place: str, storage: Storage) -> IndexEntry:
    """Read the first bytes of a published file again."""
    head = (storage.read(place, HEAD) if place else None) or b""
    try:
        more = (deb_metadata.need if package.format is Format.DEB else rpm_metadata.need)(head)
        if more > len(head):
            head = storage.read(place, more) or b""
        if package.format is Format.DEB:
            text = deb_metadata.control(head, package.size)
            return IndexEntry(deb_metadata.stanza(text, package.path, package.size, package.sha256))
        return incoming.rpm(head, package.size, package.sha256, FileStamp(place, 0, 0, "")).pieces
    except Malformed as error:
        raise BrokenPackage(
            f"{storage.location}/{place}: {error}.",
            f"Publish {package.label} again with its file in --from, or: inv remove.",
        ) from None
