"""Checks of a yum repository: repomd.xml, its signature, and the metadata files that it lists."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from kubeparcel.doctor import locations, yum_primary
from kubeparcel.doctor.findings import NO_SIGNATURE, UNREADABLE_INDEX, CheckKind, FileDigest, Subject, differences
from kubeparcel.doctor.index_file import read_index
from kubeparcel.doctor.keys import TrustedKeys
from kubeparcel.doctor.reader import RepositoryReader, read_limited
from kubeparcel.doctor.selection import Selection
from kubeparcel.doctor.signatures import check_signature
from kubeparcel.doctor.yum_primary import MetadataEntries
from kubeparcel.errors import ConfigurationError
from kubeparcel.packages import limits
from kubeparcel.packages.errors import LimitExceeded, MalformedData
from kubeparcel.repository.storage.base import check_path
from kubeparcel.repository.yum import primary
from kubeparcel.sanitize import is_number

_ALGORITHMS = ("sha256", "sha384", "sha512")
_REQUIRED = ("primary", "filelists", "other")
PRIMARY = ("primary",)
"""The kinds of metadata that list packages."""

_METADATA_HINT = "dnf and zypper reject the repository. Publish again, or run createrepo_c."


@dataclass(frozen=True)
class _Context:
    """A repository under examination: where to read it, and where to record findings."""

    reader: RepositoryReader
    base: str
    subject: Subject

    def path(self, name: str) -> str:
        return f"{self.base}/{name}".lstrip("/")

    def add_finding(self, expected: str, found: str, location: str) -> None:
        self.subject.add_finding(CheckKind.INDEXES, expected, found, location, _METADATA_HINT)


def check_yum_repository(
    reader: RepositoryReader,
    base: str,
    name: str,
    keys: TrustedKeys | None,
    selection: Selection,
    kinds: Sequence[str] = _REQUIRED,
) -> Subject:
    """Check the metadata files of a repository, or only those of some kinds; package files are checked separately.

    Without `keys`, signatures are not checked.
    """
    context = _Context(reader, base, Subject(name))
    repomd = _read_repomd(context)
    if keys:
        _check_signature(context, repomd, keys)
    metadata = dict(_check_metadata(context, repomd, kinds))
    subject = context.subject
    subject.complete = "primary" in metadata
    if not subject.complete:
        subject.mark_not_run(UNREADABLE_INDEX, CheckKind.ENTRIES)
        return subject
    packages = yum_primary.check_entries(subject, metadata, functools.partial(locations.locate, reader, base))
    subject.packages = frozenset(package for package in packages if selection.has_arch(package.arch))
    if packages and not subject.packages:
        subject.add_remark(f"no packages for {selection}")
    return subject


def _read_repomd(context: _Context) -> bytes:
    path = context.path("repodata/repomd.xml")
    try:
        data = read_limited(context.reader, path, limits.REPOMD) or b""
    except LimitExceeded as error:
        context.add_finding("a repomd.xml of usual size", str(error), path)
        return b""
    context.subject.entry_files[path] = hashlib.sha256(data).hexdigest()
    return data


def _check_signature(context: _Context, repomd: bytes, keys: TrustedKeys) -> None:
    path = context.path("repodata/repomd.xml.asc")
    signature = context.reader.read(path, limits.SIGNATURE.maximum)
    if signature is None:
        context.subject.add_finding(
            CheckKind.REPOMD,
            "repomd.xml.asc",
            "file not found",
            path,
            "Clients with repo_gpgcheck=1 reject the repository. Sign it: gpg --armor --detach-sign repomd.xml.",
        )
    else:
        check_signature(context.subject, CheckKind.REPOMD, keys, signature, repomd, path)
    context.subject.mark_not_run(NO_SIGNATURE, CheckKind.PACKET, CheckKind.SQV)


def _check_metadata(context: _Context, repomd: bytes, required: Sequence[str]) -> Iterator[tuple[str, MetadataEntries]]:
    """Check the files that repomd.xml lists; yield kind and entries of the required ones, which are about packages.

    Files of other kinds are checked only if all that clients require are.
    """
    context.subject.mark_run(CheckKind.INDEXES)
    path = context.path("repodata/repomd.xml")
    kinds = set()
    for entry in _listed_files(context, repomd, path):
        kind = entry.attrib.get("type", "")
        kinds.add(kind)
        entries = _check_file(context, entry, kind) if kind in required or required == _REQUIRED else None
        if entries is not None and kind in required:
            yield kind, entries
    for kind in required:
        if kind not in kinds:
            context.add_finding(f"{kind} in repomd.xml", "not listed", path)


def _listed_files(context: _Context, repomd: bytes, path: str) -> list[Element]:
    try:
        return primary.listed_files(repomd)
    except MalformedData as error:
        context.add_finding("XML", str(error), path)
        return []


def _check_file(context: _Context, entry: Element, kind: str) -> MetadataEntries | None:
    """Check a metadata file, compressed and decompressed; return its entries if it is required."""
    location = entry.find(f"{primary.REPO}location")
    try:
        base, name = ("", check_path("")) if location is None else primary.base_and_path(location)
        path = locations.locate(context.reader, context.base, base, name)
    except (ConfigurationError, ValueError) as error:
        context.add_finding("a path below the repository, or a URL", str(error).splitlines()[0], kind)
        return None
    listed, listed_text = (listed_digest(entry, prefix) for prefix in ("", "open-"))
    parse = functools.partial(yum_primary.read_entries, kind) if kind in _REQUIRED else None
    file = locations.stream(
        context.reader, path, lambda blocks: read_index(name, blocks, listed, listed_text.digests, parse)
    )
    if file is None:
        context.add_finding(f"the file of {kind}", "file not found", path)
        return None
    valid = _matches(context, entry, "", listed, file.packed, path)
    if file.problem:
        if valid:
            context.add_finding("a complete file", file.problem, path)
        return None
    if valid and file.text:
        _matches(context, entry, "open-", listed_text, file.text, path)
    return file.entries


def listed_digest(entry: Element, prefix: str) -> FileDigest:
    """Return the listed size and digest, as far as they are usable: otherwise the size is -1, and there is no digest.

    Those of decompressed data have the prefix `open-`.
    """
    checksum = entry.find(f"{primary.REPO}{prefix}checksum")
    algorithm = "none" if checksum is None else checksum.attrib.get("type", "none")
    size = entry.findtext(f"{primary.REPO}{prefix}size") or ""
    digests = {algorithm: (checksum.text or "").strip()} if checksum is not None and algorithm in _ALGORITHMS else {}
    return FileDigest(int(size) if is_number(size) else -1, digests)


def _matches(context: _Context, entry: Element, prefix: str, listed: FileDigest, actual: FileDigest, path: str) -> bool:
    """Check the size and digest of a file, or with the prefix `open-`, of its decompressed data."""
    label = "decompressed: " if prefix else ""
    checksum = entry.find(f"{primary.REPO}{prefix}checksum")
    if not listed.digests and (checksum is not None or not prefix):
        context.subject.add_finding(
            CheckKind.INDEXES,
            f"{prefix}checksum with SHA-256 or better",
            "none" if checksum is None else checksum.attrib.get("type", "none"),
            path,
            "Current systems reject weaker checksums. Run createrepo_c --checksum sha256.",
        )
    expected_size = listed.size if listed.size >= 0 else actual.size
    mismatches = list(differences(FileDigest(expected_size, listed.digests), actual))
    for expected, found in mismatches:
        context.add_finding(label + expected, label + found, path)
    return not mismatches
