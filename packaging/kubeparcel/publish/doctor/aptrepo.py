"""Examines one apt suite, from its Release down to every package file."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from ...errors import ConfigurationError
from ...model import Format
from .. import debfile
from ..broken import Malformed
from ..storage import Reader, safe
from ..unpacking import unpack
from ..values import Package
from . import files
from .finding import Examined, Kind
from .keyring import Ring
from .search import Suite
from .signatures import cleartext, judge

_SUFFIXES = ("", ".gz", ".xz", ".zst", ".bz2")
_DAY = 86_400


@dataclass(frozen=True)
class _Look:
    """What all steps need."""

    reader: Reader
    suite: Suite
    examined: Examined

    def path(self, name: str) -> str:
        return f"{self.suite.folder}/{name}"


def examine(reader: Reader, suite: Suite, ring: Ring, now: float) -> Examined:
    """Examine a suite."""
    look = _Look(reader, suite, Examined(suite.subject))
    text = _release(look, ring)
    if text is None:
        return look.examined
    fields = debfile.fields(text)
    _fields(look, fields)
    _dates(look, fields, now)
    sums = dict(_sums(fields.get("sha256", "")))
    found: set[Package] = set()
    for index, data in _indexes(look, sums, fields.get("acquire-by-hash") == "yes"):
        found |= set(_entries(look, index, data))
    look.examined.packages = frozenset(found)
    look.examined.names = {posixpath.normpath(f"{suite.base}/{p.path}").lstrip("/") for p in found}
    files.examine(reader, suite.base, look.examined)
    return look.examined


def _release(look: _Look, ring: Ring) -> str | None:
    examined = look.examined
    examined.look(Kind.INRELEASE, Kind.RELEASE_GPG, Kind.PACKET)
    inside, apart = look.reader.read(look.path("InRelease")), look.reader.read(look.path("Release"))
    signature = look.reader.read(look.path("Release.gpg"))
    text = cleartext(inside) if inside else None
    if inside is None:
        examined.fault(Kind.INRELEASE, "InRelease", "there is none", look.path("InRelease"))
    else:
        judge(examined, Kind.INRELEASE, ring, inside, None, look.path("InRelease"))
    if apart is None or signature is None:
        missing = "Release" if apart is None else "Release.gpg"
        examined.fault(Kind.RELEASE_GPG, missing, "there is none", look.path(missing))
    else:
        judge(examined, Kind.RELEASE_GPG, ring, signature, apart, look.path("Release.gpg"))
        if text is not None and text.strip() != apart.decode("utf-8", "replace").strip():
            examined.fault(Kind.RELEASE_GPG, "InRelease and Release say the same", "they differ")
    if text is None and apart is not None:
        text = apart.decode("utf-8", "replace")
    return text


def _fields(look: _Look, fields: Mapping[str, str]) -> None:
    look.examined.look(Kind.FIELDS)
    for name in ("architectures", "components", "date", "sha256"):
        if not fields.get(name):
            look.examined.fault(Kind.FIELDS, name.capitalize(), "the Release has none")
    listed = {row[0] for row in _sums(fields.get("sha256", ""))}
    for component in fields.get("components", "").split():
        for arch in fields.get("architectures", "").split():
            wanted = f"{component}/binary-{arch}/Packages"
            if not any(f"{wanted}{suffix}" in listed for suffix in _SUFFIXES) and arch != "all":
                look.examined.fault(Kind.FIELDS, f"{wanted} in the Release", "it is not listed")


def _dates(look: _Look, fields: Mapping[str, str], now: float) -> None:
    look.examined.look(Kind.DATES)
    made, until = _date(fields.get("date", "")), _date(fields.get("valid-until", ""))
    if made and made > now + _DAY:
        look.examined.fault(Kind.DATES, "a Date in the past", fields["date"])
    if until and until < now:
        look.examined.fault(
            Kind.DATES, "a Valid-Until in the future", fields["valid-until"], todo="Publish again."
        )


def _date(text: str) -> float | None:
    try:
        found = parsedate_to_datetime(text.replace("UTC", "+0000"))
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _sums(text: str) -> Iterator[tuple[str, tuple[str, int]]]:
    for line in text.splitlines():
        row = line.split()
        if len(row) == 3 and row[1].isdigit():
            yield row[2], (row[0], int(row[1]))


def _indexes(
    look: _Look, sums: Mapping[str, tuple[str, int]], by_hash: bool
) -> Iterator[tuple[str, bytes]]:
    """Check the files a Release lists; give the plain bytes of each Packages."""
    look.examined.look(Kind.INDEXES, *([Kind.BY_HASH] if by_hash else []))
    plain: dict[str, bytes] = {}
    bases: dict[str, bool] = {}
    for name, (digest, size) in sums.items():
        base, suffix = posixpath.splitext(name)
        base = base if suffix in _SUFFIXES[1:] else name
        data = _checked(look, name, digest, size)
        bases[base] = bases.get(base, False) or data is not None
        if data is not None:
            plain.setdefault(base, _unpacked(look, name, data))
            if by_hash:
                _by_hash(look, name, digest)
    for base, there in bases.items():
        if not there and "/binary-" in base:
            look.examined.fault(Kind.INDEXES, f"{base} in some form", "there is none")
    yield from ((n, data) for n, data in plain.items() if n.rpartition("/")[2] == "Packages")


def _checked(look: _Look, name: str, digest: str, size: int) -> bytes | None:
    try:
        data = look.reader.read(look.path(safe(name)))
    except ConfigurationError:
        look.examined.fault(Kind.INDEXES, "a path below the suite", name)
        return None
    if data is None:
        return None
    found = hashlib.sha256(data).hexdigest()
    if len(data) != size:
        look.examined.fault(
            Kind.INDEXES, f"{size:,} bytes", f"{len(data):,} bytes", look.path(name)
        )
    elif found != digest:
        look.examined.fault(Kind.INDEXES, f"sha256 {digest}", found, look.path(name))
    return data


def _unpacked(look: _Look, name: str, data: bytes) -> bytes:
    try:
        return unpack(name, data)
    except Malformed as error:
        look.examined.fault(Kind.INDEXES, "a whole file", str(error), look.path(name))
        return b""


def _by_hash(look: _Look, name: str, digest: str) -> None:
    path = look.path(f"{posixpath.dirname(name)}/by-hash/SHA256/{digest}")
    data = look.reader.read(path)
    if data is None:
        look.examined.fault(Kind.BY_HASH, f"{name} by its digest", "there is none", path)
    elif hashlib.sha256(data).hexdigest() != digest:
        look.examined.fault(Kind.BY_HASH, f"{name} by its digest", "other bytes", path)


def _entries(look: _Look, index: str, data: bytes) -> Iterator[Package]:
    look.examined.look(Kind.ENTRIES)
    arch = index.rpartition("/")[0].rpartition("/binary-")[2]
    seen: dict[tuple[str, ...], str] = {}
    for stanza in data.decode("utf-8", "replace").split("\n\n"):
        fields = debfile.fields(stanza)
        if not fields:
            continue
        package = _entry(look, index, fields)
        if package is None:
            continue
        if package.arch not in (arch, "all"):
            look.examined.fault(Kind.ENTRIES, f"packages for {arch}", package.label, index)
        if seen.setdefault(package.id, package.sha256) != package.sha256:
            look.examined.fault(Kind.ENTRIES, "one file a version", package.label, index)
        yield package


def _entry(look: _Look, index: str, fields: Mapping[str, str]) -> Package | None:
    try:
        identity = debfile.checked(fields)
        path = safe(fields["filename"].removeprefix("./"))
        digest, size = fields["sha256"], int(fields["size"])
    except (Malformed, ConfigurationError) as error:
        look.examined.fault(Kind.ENTRIES, "a sound entry", str(error), index)
    except (KeyError, ValueError) as error:
        who = fields.get("package", "?")
        look.examined.fault(Kind.ENTRIES, "Filename, Size and SHA256", f"{who}: {error}", index)
    else:
        needs = debfile.needs(fields)
        return Package(Format.DEB, *identity, digest, size, digest, needs, path)
    return None
