"""Checks of a yum repository: repomd.xml, its signature, and the metadata files that it lists."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from kubeparcel.doctor import locations, yum_primary
from kubeparcel.doctor.findings import (
    NO_SIGNATURE,
    UNREADABLE_INDEX,
    CheckKind,
    FileDigest,
    Subject,
    differences,
    hash_blocks,
)
from kubeparcel.doctor.keys import TrustedKeys
from kubeparcel.doctor.reader import RepositoryReader
from kubeparcel.doctor.selection import Selection
from kubeparcel.doctor.signatures import check_signature
from kubeparcel.errors import ConfigurationError
from kubeparcel.packages.compression import decompress_index
from kubeparcel.packages.errors import MalformedData
from kubeparcel.repository.storage.base import check_path
from kubeparcel.repository.yum.primary import base_and_path, declares_entities
from kubeparcel.sanitize import is_number

_REPO = "{http://linux.duke.edu/metadata/repo}"
_ALGORITHMS = ("sha256", "sha384", "sha512")
_REQUIRED = ("primary", "filelists", "other")
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
    reader: RepositoryReader, base: str, name: str, keys: TrustedKeys, selection: Selection
) -> Subject:
    """Check the metadata of a repository; package files are checked separately."""
    context = _Context(reader, base, Subject(name))
    repomd = reader.read(context.path("repodata/repomd.xml")) or b""
    _check_signature(context, repomd, keys)
    return _check_packages(context, repomd, _REQUIRED, selection)


def read_packages(
    reader: RepositoryReader, base: str, name: str, keys: TrustedKeys | None = None, selection: Selection | None = None
) -> Subject:
    """Return the packages of a repository from primary alone; findings are about what could not be read.

    With `keys`, the signature of repomd.xml is checked too.
    """
    context = _Context(reader, base, Subject(name))
    repomd = reader.read(context.path("repodata/repomd.xml")) or b""
    if keys:
        _check_signature(context, repomd, keys)
    return _check_packages(context, repomd, ("primary",), selection or Selection())


def _check_packages(context: _Context, repomd: bytes, kinds: Sequence[str], selection: Selection) -> Subject:
    metadata = dict(_check_metadata(context, repomd, kinds))
    subject = context.subject
    subject.complete = "primary" in metadata
    if subject.complete:
        locate = functools.partial(locations.locate, context.reader, context.base)
        packages = yum_primary.check_entries(subject, metadata, locate)
        subject.packages = frozenset(package for package in packages if selection.has_arch(package.arch))
        if packages and not subject.packages:
            subject.add_remark(f"no packages for {selection}")
    else:
        subject.mark_not_run(UNREADABLE_INDEX, CheckKind.ENTRIES)
    return subject


def _check_signature(context: _Context, repomd: bytes, keys: TrustedKeys) -> None:
    path = context.path("repodata/repomd.xml.asc")
    signature = context.reader.read(path)
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


def _check_metadata(context: _Context, repomd: bytes, required: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Check the files that repomd.xml lists; yield kind and text of the required ones, which are about packages.

    Files of other kinds are checked only if all that clients require are.
    """
    context.subject.mark_run(CheckKind.INDEXES)
    path = context.path("repodata/repomd.xml")
    root = _parse(context, repomd, path)
    if root is None:
        return
    kinds = set()
    for entry in root.iter(f"{_REPO}data"):
        kind = entry.attrib.get("type", "")
        kinds.add(kind)
        text = _check_file(context, entry, kind) if kind in required or required == _REQUIRED else None
        if text is not None and kind in required:
            yield kind, text
    for kind in required:
        if kind not in kinds:
            context.add_finding(f"{kind} in repomd.xml", "not listed", path)


def _parse(context: _Context, text: bytes, path: str) -> Element | None:
    if declares_entities(text):
        context.add_finding("XML without entities", "it declares entities", path)
        return None
    try:
        return ElementTree.fromstring(text)  # noqa: S314 - without entities
    except ElementTree.ParseError as error:
        context.add_finding("XML", str(error), path)
        return None


def _check_file(context: _Context, entry: Element, kind: str) -> bytes | None:
    """Check a metadata file, compressed and decompressed; return its text if it is required."""
    location = entry.find(f"{_REPO}location")
    try:
        base, name = ("", check_path("")) if location is None else base_and_path(location)
        path = locations.locate(context.reader, context.base, base, name)
    except (ConfigurationError, ValueError) as error:
        context.add_finding("a path below the repository, or a URL", str(error).splitlines()[0], kind)
        return None
    data = locations.stream(context.reader, path, b"".join)
    if data is None:
        context.add_finding(f"the file of {kind}", "file not found", path)
        return None
    valid = _matches(context, entry, "", data, path)
    if kind not in _REQUIRED:
        return None
    try:
        text = decompress_index(name, data)
    except MalformedData as error:
        if valid:
            context.add_finding("a complete file", str(error), path)
        return None
    if valid:
        _matches(context, entry, "open-", text, path)
    return text


def _matches(context: _Context, entry: Element, prefix: str, data: bytes, path: str) -> bool:
    """Check the listed size and digest; those of decompressed data have the prefix `open-`."""
    label = "decompressed: " if prefix else ""
    digests = _listed_digests(context, entry, prefix, path)
    size = entry.findtext(f"{_REPO}{prefix}size") or ""
    listed = FileDigest(int(size) if is_number(size) else len(data), digests)
    mismatches = list(differences(listed, hash_blocks([data], digests)))
    for expected, found in mismatches:
        context.add_finding(label + expected, label + found, path)
    return not mismatches


def _listed_digests(context: _Context, entry: Element, prefix: str, path: str) -> Mapping[str, str]:
    checksum = entry.find(f"{_REPO}{prefix}checksum")
    algorithm = "none" if checksum is None else checksum.attrib.get("type", "none")
    if checksum is not None and algorithm in _ALGORITHMS:
        return {algorithm: (checksum.text or "").strip()}
    if checksum is not None or not prefix:
        context.subject.add_finding(
            CheckKind.INDEXES,
            f"{prefix}checksum with SHA-256 or better",
            algorithm,
            path,
            "Current systems reject weaker checksums. Run createrepo_c --checksum sha256.",
        )
    return {}
