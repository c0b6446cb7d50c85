"""Examines one yum repository: repomd.xml, its signature, and the metadata it lists."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from kubeparcel.doctor import yum_primary
from kubeparcel.doctor.findings import CheckKind, Subject
from kubeparcel.doctor.hashing import compare, measure
from kubeparcel.doctor.keys import TrustedKeys
from kubeparcel.doctor.reader import RepositoryReader
from kubeparcel.doctor.signatures import judge
from kubeparcel.errors import ConfigurationError
from kubeparcel.packages.compression import decompress_index
from kubeparcel.packages.errors import MalformedData
from kubeparcel.repository.storage.base import check_path
from kubeparcel.repository.yum.primary import declares_entities

_REPO = "{http://linux.duke.edu/metadata/repo}"
_HASHES = {"sha256": "sha256", "sha384": "sha384", "sha512": "sha512"}
_NEEDED = ("primary", "filelists", "other")


@dataclass(frozen=True)
class _Look:
    """What all steps need."""

    source: RepositoryReader
    base: str
    examined: Subject

    def path(self, name: str) -> str:
        return f"{self.base}/{name}".lstrip("/")


def examine(source: RepositoryReader, base: str, subject: str, ring: TrustedKeys) -> Subject:
    """Examine the metadata of a repository; its package files are another matter."""
    look = _Look(source, base, Subject(subject))
    text = source.read(look.path("repodata/repomd.xml")) or b""
    _signature(look, text, ring)
    found = dict(_metadata(look, text))
    examined = look.examined
    examined.complete = "primary" in found
    if examined.complete:
        rows = yum_primary.check_entries(examined, found)
        examined.packages = frozenset(rows)
    examined.file_paths = {posixpath.normpath(look.path(p.path)) for p in examined.packages}
    return examined


def _signature(look: _Look, text: bytes, ring: TrustedKeys) -> None:
    path = look.path("repodata/repomd.xml.asc")
    signature = look.source.read(path)
    look.examined.mark_run(CheckKind.REPOMD)
    if signature is None:
        todo = "gpg --armor --detach-sign repomd.xml: clients with repo_gpgcheck=1 ask for it."
        look.examined.add_finding(CheckKind.REPOMD, "repomd.xml.asc", "there is none", path, todo)
    else:
        judge(look.examined, CheckKind.REPOMD, ring, signature, text, path)


def _metadata(look: _Look, text: bytes) -> Iterator[tuple[str, bytes]]:
    """Check the files that repomd.xml lists; give the plain bytes of those about packages."""
    look.examined.mark_run(CheckKind.INDEXES)
    path = look.path("repodata/repomd.xml")
    root = _parsed(look, text, path)
    kinds = set()
    for row in () if root is None else root.iter(f"{_REPO}data"):
        kind = row.attrib.get("type", "")
        kinds.add(kind)
        data = _file(look, row, kind)
        if data is not None and kind in _NEEDED:
            yield kind, data
    for kind in _NEEDED:
        if root is not None and kind not in kinds:
            look.examined.add_finding(
                CheckKind.INDEXES, f"{kind} in repomd.xml", "it is not listed", path
            )


def _parsed(look: _Look, text: bytes, where: str) -> Element | None:
    if declares_entities(text):
        look.examined.add_finding(CheckKind.INDEXES, "plain XML", "it declares entities", where)
        return None
    try:
        return ElementTree.fromstring(text)  # noqa: S314 - without entities
    except ElementTree.ParseError as error:
        look.examined.add_finding(CheckKind.INDEXES, "XML", str(error), where)
        return None


def _file(look: _Look, row: Element, kind: str) -> bytes | None:
    """Check a metadata file, packed and unpacked; give its plain bytes."""
    place = row.find(f"{_REPO}location")
    href = "" if place is None else place.attrib.get("href", "")
    try:
        path = look.path(check_path(href))
    except ConfigurationError:
        look.examined.add_finding(
            CheckKind.INDEXES, "a path below the repository", repr(href), kind
        )
        return None
    data = look.source.read(path)
    if data is None:
        look.examined.add_finding(
            CheckKind.INDEXES, f"the file of {kind}", "there is no such file", path
        )
        return None
    sound = _measure(look, row, "", data, path)
    if kind not in _NEEDED:
        return None
    try:
        plain = decompress_index(href, data)
    except MalformedData as error:
        if sound:
            look.examined.add_finding(CheckKind.INDEXES, "a whole file", str(error), path)
        return None
    if sound:
        _measure(look, row, "open-", plain, path)
    return plain


def _measure(look: _Look, row: Element, prefix: str, data: bytes, path: str) -> bool:
    """Whether size and digest are the promised ones; of the packed file, or (`open-`) unpacked."""
    what = "unpacked, " if prefix else ""
    promised = _promised(look, row, prefix, path)
    size = row.findtext(f"{_REPO}{prefix}size") or ""
    known = int(size) if size.isdigit() else len(data)
    wrong = list(compare(known, promised, measure([data], promised)))
    todo = "Make the metadata anew: clients refuse it."
    for expected, found in wrong:
        look.examined.add_finding(CheckKind.INDEXES, what + expected, what + found, path, todo)
    return not wrong


def _promised(look: _Look, row: Element, prefix: str, path: str) -> Mapping[str, str]:
    sum_ = row.find(f"{_REPO}{prefix}checksum")
    kind = "none" if sum_ is None else sum_.attrib.get("type", "none")
    if sum_ is not None and kind in _HASHES:
        return {_HASHES[kind]: (sum_.text or "").strip()}
    if sum_ is not None or not prefix:
        look.examined.add_finding(
            *(CheckKind.INDEXES, f"a {prefix}checksum by SHA-256 or better", kind, path),
            "createrepo_c --checksum sha256",
        )
    return {}
