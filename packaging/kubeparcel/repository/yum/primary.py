"""Read the metadata of a yum repository: repomd.xml and primary."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree.ElementTree import Element

from kubeparcel.model import Format
from kubeparcel.packages import limits
from kubeparcel.packages.numbers import parse_number
from kubeparcel.packages.relations import PACKAGE_NAME
from kubeparcel.packages.rpm.tags import XML_OPERATORS
from kubeparcel.repository.package import Package
from kubeparcel.repository.storage.base import check_path
from kubeparcel.repository.yum.xml_elements import iterate_elements

REPO = "{http://linux.duke.edu/metadata/repo}"
_COMMON = "{http://linux.duke.edu/metadata/common}"
_RPM = "{http://linux.duke.edu/metadata/rpm}"
_XML_BASE = "{http://www.w3.org/XML/1998/namespace}base"
_UPWARDS = re.compile(r"(?:\.\./)*")
_OPERATORS = {name: operator for operator, name in XML_OPERATORS.items()}
_DIGEST_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}


PACKAGE_TAGS = frozenset(
    {_COMMON + name for name in ("name", "arch", "version", "checksum", "size", "location", "format")}
    | {f"{_RPM}requires", f"{_RPM}entry"}
)
"""The elements of a package in primary that `parse_package` reads."""


class PrimaryEntry(NamedTuple):
    """A package of primary; its `sha256` is a digest of the type `checksum_type`.

    Its path is relative to `base`: a complete URL, or a folder relative to the repository.
    """

    package: Package
    checksum_type: str
    base: str = ""


def base_and_path(location: Element) -> tuple[str, str]:
    """Return the base of a `location` element, empty for the repository itself, and the path below it.

    Clients accept a complete URL in `xml:base` and in `href` (librepo, lr_downloadtarget_new and
    select_next_target). Raises ConfigurationError for an invalid path, ValueError for an invalid base.
    """
    base, path = location.get(_XML_BASE, "").rstrip("/"), location.get("href", "").removeprefix("./")
    if "://" in path:
        base, _, path = path.rpartition("/")
    elif base and "://" not in base:
        raise ValueError(f"its xml:base {base!r} is not a complete URL")
    elif upwards := _UPWARDS.match(path):
        base, path = base or upwards[0].rstrip("/"), path if base else path[upwards.end() :]
    return base, check_path(path)


def listed_files(repomd: bytes) -> list[Element]:
    """Return the elements of the files that a repomd.xml lists. Raises MalformedData."""
    files = [element for element in iterate_elements("repomd.xml", [repomd]) if element.tag == f"{REPO}data"]
    limits.REPOMD_FILES.check(len(files), "repomd.xml")
    return files


def metadata_locations(repomd: bytes) -> dict[str, str]:
    """Return the path of each metadata file by its type. Raises MalformedData."""
    locations = ((element, element.find(f"{REPO}location")) for element in listed_files(repomd))
    return {e.get("type", ""): location.get("href", "") for e, location in locations if location is not None}


def parse_package(element: Element) -> PrimaryEntry:
    """Return the package of an element of primary.

    Raises KeyError naming a missing part, and ValueError or ConfigurationError for a bad value.
    """
    version = _child(element, "version").attrib
    name, arch = (_child(element, field).text or "" for field in ("name", "arch"))
    if not PACKAGE_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a valid package name")
    checksum = _child(element, "checksum")
    algorithm, digest = checksum.get("type", "none"), (checksum.text or "").strip()
    if _DIGEST_LENGTHS.get(algorithm) != len(digest):
        raise ValueError(f"its checksum is {algorithm} {digest}")
    base, path = base_and_path(_child(element, "location"))
    package = Package(
        Format.RPM,
        name,
        _with_epoch(version.get("epoch"), f"{version['ver']}-{version['rel']}"),
        arch,
        sha256=digest,
        size=parse_number(_child(element, "size").attrib["package"], "its size"),
        content_digest=digest,
        dependencies=", ".join(_dependencies(element)),
        path=path,
    )
    return PrimaryEntry(package, algorithm, base)


def package_name(element: Element) -> str | None:
    """Return the name in an element of primary, for messages."""
    return element.findtext(f"{_COMMON}name")


def _child(element: Element, name: str) -> Element:
    child = element.find(f"{_COMMON}{name}")
    if child is None:
        raise KeyError(name)
    return child


def _dependencies(element: Element) -> Iterator[str]:
    """Yield the required packages as a deb's Depends writes them, without files and features."""
    for entry in element.iterfind(f"{_COMMON}format/{_RPM}requires/{_RPM}entry"):
        name = entry.attrib["name"]
        if "(" in name or name.startswith("/"):
            continue
        operator = _OPERATORS.get(entry.get("flags", ""))
        release = f"-{entry.attrib['rel']}" if "rel" in entry.attrib else ""
        version = _with_epoch(entry.get("epoch"), f"{entry.get('ver', '')}{release}")
        yield f"{name} ({operator} {version})" if operator else name


def _with_epoch(epoch: str | None, version: str) -> str:
    return version if epoch in (None, "", "0") else f"{epoch}:{version}"
