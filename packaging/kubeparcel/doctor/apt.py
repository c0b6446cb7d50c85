"""Examines one apt suite, from its Release down to every package file."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator, Mapping

from kubeparcel.doctor import apt_release
from kubeparcel.doctor.apt_release import SUFFIXES, ReleaseEntry, SuiteContext
from kubeparcel.doctor.discovery import Suite
from kubeparcel.doctor.findings import CheckKind, Fault, Subject
from kubeparcel.doctor.hashing import FileDigest, compare, measure
from kubeparcel.doctor.keys import TrustedKeys
from kubeparcel.doctor.reader import RepositoryReader
from kubeparcel.errors import ConfigurationError
from kubeparcel.model import Format
from kubeparcel.packages.compression import decompress_index
from kubeparcel.packages.deb import deb_metadata
from kubeparcel.packages.errors import MalformedData
from kubeparcel.repository.model import Package
from kubeparcel.repository.storage.base import check_path

_PACKED = {".xz", ".gz", ".bz2", ".zst"}
_STRONG = ("sha256", "sha512")


def examine(source: RepositoryReader, suite: Suite, subject: str, ring: TrustedKeys) -> Subject:
    """Examine the indexes of a suite; its package files are another matter."""
    look = SuiteContext(source, suite, Subject(subject))
    fields = apt_release.examine(look, ring)
    if fields is None:
        look.examined.complete = False
        return look.examined
    found: set[Package] = set()
    for index, data in _indexes(look, fields):
        found |= set(_entries(look, index, data))
    look.examined.packages = frozenset(found)
    look.examined.file_paths = {_place(suite, package) for package in found}
    return look.examined


def _place(suite: Suite, package: Package) -> str:
    return posixpath.normpath(f"{suite.base}/{package.path}").lstrip("/")


def _indexes(look: SuiteContext, fields: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    """Check the files a Release lists; give the plain bytes of each Packages."""
    look.examined.mark_run(CheckKind.INDEXES)
    groups: dict[str, dict[str, ReleaseEntry]] = {}
    for name, promise in apt_release.release_entries(fields).items():
        base, suffix = posixpath.splitext(name)
        whole, suffix = (base, suffix) if suffix in SUFFIXES[1:] else (name, "")
        groups.setdefault(whole, {})[suffix] = promise
    by_hash = fields.get("acquire-by-hash") == "yes"
    for base, promised in groups.items():
        if base.rpartition("/")[2] == "Packages":
            data = _packages(look, base, promised, by_hash)
            if data is not None:
                yield base, data
        else:
            _other(look, base, promised)


def _other(look: SuiteContext, base: str, promised: Mapping[str, ReleaseEntry]) -> None:
    """Check an index that is not of packages; Debian lists some that were never there."""
    seen = False
    for suffix, promise in promised.items():
        path = _path(look, base + suffix)
        found = _measured(look, path, promise) if path else None
        if found:
            seen = True
            look.examined.add_faults(_differs(path, promise, found))
    if not seen:
        look.examined.add_remark(f"{base} is listed in the Release, and is not there")


def _measured(look: SuiteContext, path: str, promise: ReleaseEntry) -> FileDigest | None:
    return look.source.stream(path, lambda blocks: measure(blocks, promise.digests))


def _path(look: SuiteContext, name: str) -> str:
    try:
        return look.path(check_path(name))
    except ConfigurationError:
        look.examined.add_finding(CheckKind.INDEXES, "a path below the suite", name)
        return ""


def _differs(path: str, promise: ReleaseEntry, found: FileDigest) -> Iterator[Fault]:
    todo = "Publish again: clients refuse it (Hash Sum mismatch)."
    for expected, said in compare(promise.size, promise.digests, found):
        yield Fault(CheckKind.INDEXES, expected, said, path, todo)


def _packages(
    look: SuiteContext, base: str, promised: Mapping[str, ReleaseEntry], by_hash: bool
) -> bytes | None:
    """Check each form of an index of packages; give the plain bytes of the best."""
    sound: list[bytes] = []
    doubtful: list[bytes] = []
    for suffix in sorted(promised, key=SUFFIXES.index):
        path = _path(look, base + suffix)
        data = look.source.read(path) if path else None
        if data is None:
            # Debian lists the plain one too, and has only packed ones; apt knows that.
            if path and (suffix or len(promised) == 1):
                look.examined.add_finding(
                    CheckKind.INDEXES, base + suffix, "there is no such file", path
                )
            continue
        faults = list(_differs(path, promised[suffix], measure([data], promised[suffix].digests)))
        look.examined.add_faults(faults)
        if by_hash:
            _by_hash(look, base + suffix, promised[suffix])
        plain = _unpacked(look, path, data, told=bool(faults))
        if plain is not None:
            (doubtful if faults else sound).append(plain)
    _agree(look, base, promised, sound)
    best = next(iter((*sound, *doubtful)), None)
    look.examined.complete = look.examined.complete and best is not None
    return best


def _unpacked(look: SuiteContext, path: str, data: bytes, *, told: bool) -> bytes | None:
    if posixpath.splitext(path)[1] in SUFFIXES[5:]:
        return None
    try:
        return decompress_index(path, data)
    except MalformedData as error:
        if not told:
            look.examined.add_finding(CheckKind.INDEXES, "a whole file", str(error), path)
        return None


def _agree(
    look: SuiteContext, base: str, promised: Mapping[str, ReleaseEntry], sound: list[bytes]
) -> None:
    """Whatever form a client takes, it has to find the same."""
    digests = {hashlib.sha256(data).hexdigest() for data in sound}
    if "" in promised:
        digests |= {promised[""].digests.get("sha256", "")} - {""}
    if len(digests) > 1:
        forms = ", ".join(base + suffix for suffix in sorted(promised, key=SUFFIXES.index))
        look.examined.add_finding(CheckKind.INDEXES, f"the same text in {forms}", "they differ")


def _by_hash(look: SuiteContext, name: str, promise: ReleaseEntry) -> None:
    look.examined.mark_run(CheckKind.BY_HASH)
    folder = posixpath.dirname(name)
    algorithm = next((one for one in _STRONG if one in promise.digests), "")
    digest = promise.digests.get(algorithm, "")
    path = look.path(f"{folder}/by-hash/{algorithm.upper()}/{digest}".lstrip("/"))
    data = look.source.read(path)
    if data is None:
        look.examined.add_finding(CheckKind.BY_HASH, f"{name} by its digest", "there is none", path)
    elif hashlib.new(algorithm, data).hexdigest() != digest:
        look.examined.add_finding(CheckKind.BY_HASH, f"{name} by its digest", "other bytes", path)


def _entries(look: SuiteContext, index: str, data: bytes) -> Iterator[Package]:
    look.examined.mark_run(CheckKind.ENTRIES)
    arch = index.rpartition("/")[0].rpartition("binary-")[2]
    seen: dict[tuple[str, ...], str] = {}
    for stanza in data.decode("utf-8", "replace").split("\n\n"):
        fields = deb_metadata.parse_fields(stanza)
        package = _entry(look, index, fields) if fields else None
        if package is None:
            continue
        if arch and package.arch not in (arch, "all"):
            look.examined.add_finding(
                CheckKind.ENTRIES, f"packages for {arch}", package.label, index
            )
        if seen.setdefault(package.identity, package.sha256) != package.sha256:
            said = f"{package.label} with two digests"
            look.examined.add_finding(CheckKind.ENTRIES, "one file a version", said, index)
        yield package


def _entry(look: SuiteContext, index: str, fields: Mapping[str, str]) -> Package | None:
    try:
        identity = deb_metadata.identity(fields)
        path = check_path(fields["filename"].removeprefix("./"))
        size = int(fields["size"])
        digest = fields.get("sha256") or fields["sha512"]
    except (MalformedData, ConfigurationError, KeyError, ValueError) as error:
        who = f"{fields.get('package', '?')} {fields.get('version', '?')}"
        said = f"it has no {error}" if isinstance(error, KeyError) else str(error).split("\n")[0]
        wanted = "Package, Version, Architecture, Filename, Size and SHA256"
        look.examined.add_finding(CheckKind.ENTRIES, wanted, f"{who}: {said}", index)
        look.examined.complete = False
        return None
    needs = deb_metadata.dependencies(fields)
    package = Package(Format.DEB, *identity, digest, size, digest, needs, path)
    all_ = {name: fields[f] for name, f in _DIGESTS.items() if fields.get(f)}
    look.examined.digests[package] = all_
    return package


_DIGESTS = {"sha256": "sha256", "sha512": "sha512", "sha1": "sha1", "md5": "md5sum"}
