"""The packages of a folder: found, read once, and described for the indexes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

from kubeparcel.model import Format
from kubeparcel.packages.broken import BrokenPackage, Malformed
from kubeparcel.packages.deb import deb_metadata
from kubeparcel.packages.digest import digest
from kubeparcel.packages.rpm import rpm_metadata
from kubeparcel.repository.package_cache import FileStamp, IndexEntry, PackageCache, PackageMetadata
from kubeparcel.repository.yum import package_xml

_BATCH = 250
_REMEMBERED = 2_500
_LARGE = 1 << 20
_WORKERS = 2


class ParsedPackage(NamedTuple):
    """All that came of reading one file."""

    seen: FileStamp
    facts: PackageMetadata
    pieces: IndexEntry


@dataclass(frozen=True)
class PackageFiles:
    """The packages found: where each lies, and what it says of itself, by sha256.

    Of those that the asker knows there are no `facts`.
    """

    paths: Mapping[str, str]
    facts: Mapping[str, PackageMetadata]


def read_packages(
    rows: Sequence[FileStamp], memory: PackageCache, known: Set[str] = frozenset()
) -> PackageFiles:
    """What the files say of themselves, but for those with a sha256 that is `known`.

    Raises BrokenPackage for one that cannot be read.
    """
    digests = memory.digests(rows)
    facts = memory.metadata(set(digests) - known)
    sure = facts.keys() | known
    paths = {digest: row.path for digest, row in zip(digests, rows, strict=True) if digest in sure}
    fresh = [row for digest, row in zip(digests, rows, strict=True) if digest not in paths]
    for batch in _gathered(read_all(fresh)):
        memory.store_digests([one.seen for one in batch])
        memory.store_packages(
            [one.facts for one in batch], {one.facts.sha256: one.pieces for one in batch}
        )
        paths.update({one.seen.sha256: one.seen.path for one in batch})
        facts.update({d: one.facts for one in batch if (d := one.facts.sha256) not in known})
    return PackageFiles(paths, facts)


def _gathered(batches: Iterable[list[ParsedPackage]]) -> Iterator[list[ParsedPackage]]:
    """Larger batches: to remember few at a time is slow, to remember all at once shuts others out.

    In the order of their digests, in which they are kept.
    """
    found: list[ParsedPackage] = []
    for batch in batches:
        found += batch
        if len(found) >= _REMEMBERED:
            yield sorted(found, key=_digest)
            found = []
    yield sorted(found, key=_digest)


def _digest(read: ParsedPackage) -> str:
    return read.seen.sha256


def read_all(files: Sequence[FileStamp]) -> Iterator[list[ParsedPackage]]:
    """Read files, on two processors: large ones in threads, many small ones in processes."""
    large = sum(seen.size for seen in files) > len(files) * _LARGE
    if len(files) < _BATCH or large:
        with ThreadPoolExecutor(_WORKERS) as pool:
            yield list(pool.map(_read, files))
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    batches = [files[at : at + _BATCH] for at in range(0, len(files), _BATCH)]
    with ProcessPoolExecutor(_WORKERS, mp_context=get_context("fork")) as workers:
        yield from workers.map(_read_batch, batches)


def _read_batch(batch: Sequence[FileStamp]) -> list[ParsedPackage]:
    return [_read(seen) for seen in batch]


def _read(seen: FileStamp) -> ParsedPackage:
    try:
        return _rpm(seen) if seen.path.endswith(".rpm") else _deb(seen)
    except Malformed as error:
        raise BrokenPackage(
            f"{seen.path}: {error}.", "It is no whole package: make it anew."
        ) from None


def _deb(seen: FileStamp) -> ParsedPackage:
    found = digest(seen.path, deb_metadata.need, seen.size)
    return deb(found.head, found.size, found.sha256, seen)


def deb(head: bytes, size: int, sha256: str, seen: FileStamp) -> ParsedPackage:
    """What the first bytes of a deb say; raises Malformed."""
    text = deb_metadata.control(head, size)
    fields = deb_metadata.fields(text)
    identity = deb_metadata.checked(fields)
    needs = deb_metadata.needs(fields)
    stanza = deb_metadata.stanza(text, deb_metadata.pool_path(*identity), size, sha256)
    facts = PackageMetadata(sha256, Format.DEB, *identity, size, sha256, needs, False)
    return ParsedPackage(seen._replace(sha256=sha256), facts, IndexEntry(stanza))


def _rpm(seen: FileStamp) -> ParsedPackage:
    found = digest(seen.path, rpm_metadata.need, seen.size)
    return rpm(found.head, found.size, found.sha256, seen)


def rpm(head: bytes, size: int, sha256: str, seen: FileStamp) -> ParsedPackage:
    """What the first bytes of an rpm say; raises Malformed."""
    headers = rpm_metadata.headers(head, size)
    name, version, arch = rpm_metadata.checked(headers.main)
    place = f"packages/{rpm_metadata.file_name(name, version, arch)}"
    pieces = package_xml.render_entry(headers, version, sha256, size, place)
    needs = rpm_metadata.needs(headers.main)
    content = hashlib.sha256(head[headers.main.start : headers.main.end]).hexdigest()
    facts = PackageMetadata(
        sha256, Format.RPM, name, version, arch, size, content, needs, headers.signed
    )
    return ParsedPackage(seen._replace(sha256=sha256), facts, IndexEntry(*pieces))
