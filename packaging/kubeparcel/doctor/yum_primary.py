"""What a yum repository's metadata says of its packages, read a package at a time."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from kubeparcel.doctor.findings import CheckKind, Subject
from kubeparcel.errors import ConfigurationError
from kubeparcel.model import Format
from kubeparcel.packages.relations import PACKAGE_NAME
from kubeparcel.repository.model import Package
from kubeparcel.repository.storage.base import check_path

_COMMON = "{http://linux.duke.edu/metadata/common}"
_RPM = "{http://linux.duke.edu/metadata/rpm}"
_SENSE = {"LT": "<", "GT": ">", "EQ": "=", "LE": "<=", "GE": ">="}
_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}


def declares(text: bytes) -> bool:
    """Whether XML brings entities of its own, which metadata has no use for."""
    return b"<!DOCTYPE" in text[:1024] or b"<!ENTITY" in text


def entries(examined: Subject, found: Mapping[str, bytes]) -> list[Package]:
    """The packages of primary; notes what is wrong in it, and where the others do not agree."""
    examined.mark_run(CheckKind.ENTRIES)
    rows = list(_packages(examined, found["primary"]))
    ids = {package.sha256 for package in rows}
    for package in _doubled(rows):
        examined.add_finding(
            CheckKind.ENTRIES, "one file a version", f"{package.label} twice", "primary"
        )
    for kind in ("filelists", "other"):
        if kind in found:
            others = {row.get("pkgid") for row in _rows(examined, kind, found[kind])}
            if others != ids and examined.complete:
                said = f"{len(others - ids)} others, {len(ids - others)} missing"
                examined.add_finding(
                    CheckKind.ENTRIES, f"the packages of primary in {kind}", said, kind
                )
    return rows


def _doubled(rows: list[Package]) -> Iterator[Package]:
    seen: dict[tuple[str, ...], str] = {}
    for package in rows:
        if seen.setdefault(package.identity, package.sha256) != package.sha256:
            yield package


def _rows(examined: Subject, kind: str, data: bytes) -> Iterator[Element]:
    """The entries of an index, one by one; each is gone when the next is asked for."""
    if declares(data):
        examined.add_finding(CheckKind.INDEXES, "plain XML", "it declares entities", kind)
        examined.complete = False
        return
    said = None
    count = 0
    try:
        depth = 0
        root: Element | None = None
        events = ElementTree.iterparse(io.BytesIO(data), ("start", "end"))  # noqa: S314 - as above
        for event, row in events:
            depth += 1 if event == "start" else -1
            if root is None:
                root, said = row, row.get("packages")
            elif event == "end" and depth == 1:
                count += 1
                yield row
                root.clear()
    except ElementTree.ParseError as error:
        examined.add_finding(CheckKind.INDEXES, "XML", str(error), kind)
        examined.complete = False
        return
    if said != str(count):
        examined.add_finding(
            CheckKind.ENTRIES, f'packages="{count}" in {kind}', said or "none", kind
        )


def _packages(examined: Subject, data: bytes) -> Iterator[Package]:
    for row in _rows(examined, "primary", data):
        try:
            package, algorithm = _entry(row)
        except (AttributeError, KeyError, ValueError, TypeError, ConfigurationError) as error:
            name = row.findtext(f"{_COMMON}name")
            said = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            wanted = "name, version, size, location and a SHA-256 checksum"
            said = f"{name}: {said.splitlines()[0]}"
            examined.add_finding(CheckKind.ENTRIES, wanted, said, "primary")
            examined.complete = False
        else:
            if algorithm != "sha256":
                examined.digests[package] = {algorithm: package.sha256}
            yield package


def _entry(row: Element) -> tuple[Package, str]:
    version = _child(row, "version").attrib
    epoch = version.get("epoch") or "0"
    evr = f"{version['ver']}-{version['rel']}"
    checksum = _child(row, "checksum")
    algorithm, digest = checksum.get("type", "none"), (checksum.text or "").strip()
    if _LENGTHS.get(algorithm) != len(digest):
        raise ValueError(f"its checksum is {algorithm} {digest}")
    size = int(_child(row, "size").attrib["package"])
    href = check_path(_child(row, "location").attrib["href"])
    needs = ", ".join(_needs(row))
    name, arch = (_child(row, field).text or "" for field in ("name", "arch"))
    if not PACKAGE_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a package")
    whole = evr if epoch == "0" else f"{epoch}:{evr}"
    return Package(Format.RPM, name, whole, arch, digest, size, digest, needs, href), algorithm


def _child(row: Element, name: str) -> Element:
    found = row.find(f"{_COMMON}{name}")
    if found is None:
        raise KeyError(name)
    return found


def _needs(row: Element) -> Iterator[str]:
    for entry in row.iterfind(f"{_COMMON}format/{_RPM}requires/{_RPM}entry"):
        name = entry.attrib["name"]
        sense = _SENSE.get(entry.attrib.get("flags", ""))
        if "(" in name or name.startswith("/"):
            continue
        epoch = entry.attrib.get("epoch") or "0"
        release = f"-{entry.attrib['rel']}" if "rel" in entry.attrib else ""
        version = f"{entry.attrib.get('ver', '')}{release}"
        version = version if epoch == "0" else f"{epoch}:{version}"
        yield f"{name} ({sense} {version})" if sense else name
