"""Examines one yum repository, from repomd.xml down to every rpm."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from ...errors import ConfigurationError
from ...model import Format
from .. import rpmfile
from ..broken import Malformed
from ..storage import Reader, safe
from ..unpacking import unpack
from ..values import Package
from . import files
from .finding import Examined, Kind
from .keyring import Ring
from .signatures import judge

_REPO = "{http://linux.duke.edu/metadata/repo}"
_COMMON = "{http://linux.duke.edu/metadata/common}"
_RPM = "{http://linux.duke.edu/metadata/rpm}"
_SENSE = {"LT": "<", "GT": ">", "EQ": "=", "LE": "<=", "GE": ">="}
_HASHES = {"sha": "sha1", "sha1": "sha1", "sha256": "sha256", "sha512": "sha512"}


@dataclass(frozen=True)
class _Look:
    """What all steps need."""

    reader: Reader
    base: str
    examined: Examined

    def path(self, name: str) -> str:
        return f"{self.base}/{name}".lstrip("/")


def examine(reader: Reader, base: str, ring: Ring) -> Examined:
    """Examine a repository."""
    name = base.rpartition("/")[2]
    look = _Look(reader, base, Examined(f"yum {name}" if name else "yum"))
    text = reader.read(look.path("repodata/repomd.xml")) or b""
    _signature(look, text, ring)
    found = dict(_metadata(look, text))
    look.examined.packages = frozenset(_entries(look, found))
    look.examined.names = {posixpath.normpath(look.path(p.path)) for p in look.examined.packages}

    def signed(package: Package, data: bytes, examined: Examined) -> None:
        _rpm_signature(package, data, examined, ring)

    look.examined.look(Kind.RPM_SIGNATURE)
    files.examine(reader, base, look.examined, signed)
    return look.examined


def _signature(look: _Look, text: bytes, ring: Ring) -> None:
    path = look.path("repodata/repomd.xml.asc")
    signature = look.reader.read(path)
    look.examined.look(Kind.REPOMD, Kind.PACKET)
    if signature is None:
        look.examined.fault(Kind.REPOMD, "repomd.xml.asc", "there is none", path)
    else:
        judge(look.examined, Kind.REPOMD, ring, signature, text, path)


def _parsed(look: _Look, text: bytes, where: str) -> Element | None:
    if b"<!DOCTYPE" in text[:1024] or b"<!ENTITY" in text:
        look.examined.fault(Kind.INDEXES, "plain XML", "it declares entities", where)
        return None
    try:
        return ElementTree.fromstring(text)  # noqa: S314 - without entities
    except ElementTree.ParseError as error:
        look.examined.fault(Kind.INDEXES, "XML", str(error), where)
        return None


def _metadata(look: _Look, text: bytes) -> Iterator[tuple[str, Element]]:
    look.examined.look(Kind.INDEXES)
    root = _parsed(look, text, "repomd.xml")
    kinds = set()
    for row in () if root is None else root.iter(f"{_REPO}data"):
        kind = row.attrib.get("type", "")
        kinds.add(kind)
        data = _file(look, row, kind)
        if data is not None and kind in ("primary", "filelists", "other"):
            tree = _parsed(look, data, kind)
            if tree is not None:
                yield kind, tree
    for kind in {"primary", "filelists", "other"} - kinds:
        look.examined.fault(Kind.INDEXES, f"{kind} in repomd.xml", "it is not listed")


def _file(look: _Look, row: Element, kind: str) -> bytes | None:
    """Check a metadata file, packed and unpacked; give its plain bytes."""
    place = row.find(f"{_REPO}location")
    href = "" if place is None else place.attrib.get("href", "")
    try:
        path = look.path(safe(href))
    except ConfigurationError:
        look.examined.fault(Kind.INDEXES, "a path below the repository", href, kind)
        return None
    data = look.reader.read(path)
    if data is None:
        look.examined.fault(Kind.INDEXES, f"the file of {kind}", "there is none", path)
        return None
    _measure(look, row, "", data, path)
    if kind.endswith("_db") or kind not in ("primary", "filelists", "other"):
        return None
    try:
        plain = unpack(href, data)
    except Malformed as error:
        look.examined.fault(Kind.INDEXES, "a whole file", str(error), path)
        return None
    _measure(look, row, "open-", plain, path)
    return plain


def _measure(look: _Look, row: Element, prefix: str, data: bytes, path: str) -> None:
    size = row.findtext(f"{_REPO}{prefix}size")
    sum_ = row.find(f"{_REPO}{prefix}checksum")
    if size is not None and int(size) != len(data):
        found = f"{len(data):,} bytes"
        look.examined.fault(Kind.INDEXES, f"{prefix}size {int(size):,} bytes", found, path)
    elif sum_ is not None:
        kind = sum_.attrib.get("type", "")
        name = _HASHES.get(kind)
        if name is None or name == "sha1":
            look.examined.fault(Kind.INDEXES, f"{prefix}checksum by SHA-256", kind, path)
        elif hashlib.new(name, data).hexdigest() != sum_.text:
            look.examined.fault(Kind.INDEXES, f"{prefix}checksum {sum_.text}", "another", path)


def _entries(look: _Look, found: Mapping[str, Element]) -> Iterator[Package]:
    look.examined.look(Kind.ENTRIES)
    primary = found.get("primary")
    if primary is None:
        return
    ids = set()
    for row in primary.iter(f"{_COMMON}package"):
        try:
            package = _entry(row)
        except (AttributeError, KeyError, ValueError, TypeError, ConfigurationError) as error:
            name = row.findtext(f"{_COMMON}name")
            look.examined.fault(Kind.ENTRIES, "a sound entry", f"{name}: {error}", "primary")
            continue
        if package.sha256 in ids:
            look.examined.fault(Kind.ENTRIES, "one entry a file", package.label, "primary")
        ids.add(package.sha256)
        yield package
    for kind in ("filelists", "other"):
        others = {row.attrib.get("pkgid") for row in found[kind]} if kind in found else ids
        if others != ids:
            look.examined.fault(Kind.ENTRIES, f"the packages of primary in {kind}", "others")
    if primary.attrib.get("packages") != str(len(ids)):
        said = primary.attrib.get("packages", "none")
        look.examined.fault(Kind.ENTRIES, f"packages={len(ids)}", said, "primary")


def _entry(row: Element) -> Package:
    version = row.find(f"{_COMMON}version").attrib  # type: ignore[union-attr]
    epoch = version.get("epoch", "0")
    evr = f"{version['ver']}-{version['rel']}"
    digest = row.findtext(f"{_COMMON}checksum") or ""
    size = int(row.find(f"{_COMMON}size").attrib["package"])  # type: ignore[union-attr]
    href = safe(row.find(f"{_COMMON}location").attrib["href"])  # type: ignore[union-attr]
    needs = ", ".join(_needs(row))
    name, arch = row.findtext(f"{_COMMON}name"), row.findtext(f"{_COMMON}arch")
    whole = evr if epoch == "0" else f"{epoch}:{evr}"
    return Package(Format.RPM, str(name), whole, str(arch), digest, size, digest, needs, href)


def _needs(row: Element) -> Iterator[str]:
    for entry in row.iterfind(f"{_COMMON}format/{_RPM}requires/{_RPM}entry"):
        name = entry.attrib["name"]
        sense = _SENSE.get(entry.attrib.get("flags", ""))
        if "(" in name or name.startswith("/"):
            continue
        release = f"-{entry.attrib['rel']}" if "rel" in entry.attrib else ""
        version = f"{entry.attrib.get('ver', '')}{release}"
        yield f"{name} ({sense} {version})" if sense else name


def _rpm_signature(package: Package, data: bytes, examined: Examined, ring: Ring) -> None:
    found = rpmfile.headers(data, len(data))
    main = data[found.main.start : found.main.end]
    path = package.path
    digest = found.signature.one(273)
    if digest and hashlib.sha256(main).hexdigest() != digest:
        examined.fault(Kind.INSIDE, "the header's digest", "another", path)
    payload = found.main.one(5092) if found.main.one(5093, 0) == 8 else ""
    if payload and hashlib.sha256(data[found.main.end :]).hexdigest() != payload:
        examined.fault(Kind.INSIDE, "the payload's digest", "another", path)
    over_header = found.signature.get(268, b"") or found.signature.get(267, b"")
    over_all = found.signature.get(1002, b"") or found.signature.get(1005, b"")
    if not over_header and not over_all:
        examined.fault(Kind.RPM_SIGNATURE, "a signature", "there is none", path)
    elif over_header:
        judge(examined, Kind.RPM_SIGNATURE, ring, over_header, main, path)
    else:
        rest = data[found.main.start :]
        judge(examined, Kind.RPM_SIGNATURE, ring, over_all, rest, path)
