"""Examines package files, each in one pass: its measure, and what it says of itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kubeparcel.doctor.findings import CheckKind, Fault
from kubeparcel.doctor.hashing import Hasher, compare
from kubeparcel.doctor.keys import TrustedKeys
from kubeparcel.doctor.reader import RepositoryReader
from kubeparcel.doctor.rpm_signatures import signed
from kubeparcel.model import Format
from kubeparcel.packages.deb import deb_metadata
from kubeparcel.packages.digest import HEAD_SIZE
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.rpm import rpm_metadata
from kubeparcel.repository.model import Package

_LONGEST = 64 << 20
"""No package begins with more than this, in bytes: headers of ten thousand files take 5 MB."""

_HEADER_DIGEST, _PAYLOAD_DIGEST, _PAYLOAD_ALGORITHM, _SHA256 = 273, 5092, 5093, 8
_NEED = {Format.DEB: deb_metadata.head_length, Format.RPM: rpm_metadata.head_length}


@dataclass(frozen=True)
class FileCheck:
    """A file to examine: what is promised of it, and where it is."""

    package: Package
    path: str
    digests: Mapping[str, str]


@dataclass(frozen=True)
class FileResult:
    """What came of it; `signed` is whether an rpm has a signature at all."""

    size: int
    faults: tuple[Fault, ...]
    signed: bool = True


def examine(source: RepositoryReader, job: FileCheck, ring: TrustedKeys) -> FileResult:
    """Read a file and compare it with what is promised of it."""
    taken = source.stream(job.path, lambda blocks: _take(job, blocks))
    if taken is None:
        todo = "Publish it again, or take it out of the index."
        return FileResult(
            0, (Fault(CheckKind.FILES, job.package.label, "there is no such file", job.path, todo),)
        )
    faults = list(_differs(job, taken))
    if faults:
        return FileResult(taken.size, tuple(faults))
    try:
        faults = list(_inside(job, taken))
        if job.package.format is Format.DEB:
            return FileResult(taken.size, tuple(faults))
        found = rpm_metadata.read_headers(taken.head, taken.size)
        more = list(signed(source, job.path, found, taken.head, ring))
    except MalformedData as error:
        wrong = Fault(CheckKind.INSIDE, "a whole package", str(error), job.path)
        return FileResult(taken.size, (wrong,))
    return FileResult(taken.size, (*faults, *more), found.signed)


@dataclass(frozen=True)
class _Taken:
    """A file's first bytes, its measure, and the digest of an rpm's payload."""

    head: bytes
    meter: Hasher
    payload: str

    @property
    def size(self) -> int:
        return self.meter.measure.size


def _take(job: FileCheck, blocks: Iterator[bytes]) -> _Taken:
    meter = Hasher(job.digests)
    head = b""
    for block in blocks:
        meter.update(block)
        head += block
        if len(head) >= _wanted(job.package.format, head):
            break
    start = (
        rpm_metadata.head_length(head)
        if job.package.format is Format.RPM and _readable(head)
        else None
    )
    payload = hashlib.sha256(head[start:]) if start is not None else None
    for block in blocks:
        meter.update(block)
        if payload:
            payload.update(block)
    return _Taken(head, meter, payload.hexdigest() if payload else "")


def _wanted(form: Format, head: bytes) -> int:
    """How many bytes are needed to know what a package says of itself; 0 when it says nothing."""
    if len(head) < HEAD_SIZE:
        return HEAD_SIZE
    try:
        return min(_NEED[form](head), _LONGEST)
    except MalformedData:
        return 0


def _readable(head: bytes) -> bool:
    try:
        return rpm_metadata.head_length(head) <= len(head)
    except MalformedData:
        return False


def _differs(job: FileCheck, taken: _Taken) -> Iterator[Fault]:
    todo = "Clients refuse it. Publish the right file again, under a higher revision."
    for expected, found in compare(job.package.size, job.digests, taken.meter.measure):
        yield Fault(CheckKind.FILES, expected, found, job.path, todo)


def _inside(job: FileCheck, taken: _Taken) -> Iterator[Fault]:
    """Compare what the file says of itself with what the index says."""
    package = job.package
    if package.format is Format.DEB:
        fields = deb_metadata.parse_fields(deb_metadata.control_text(taken.head, taken.size))
        identity, needs = deb_metadata.identity(fields), deb_metadata.dependencies(fields)
    else:
        main = rpm_metadata.read_headers(taken.head, taken.size).main
        identity, needs = rpm_metadata.identity(main), rpm_metadata.dependencies(main)
        yield from _digests(job, taken)
    todo = "Make the indexes anew."
    if identity != package.identity[1:]:
        found = f"{identity[0]} {identity[1]} {identity[2]}"
        yield Fault(CheckKind.INSIDE, package.label, found, job.path, todo)
    elif _same(needs) != _same(package.dependencies):
        wanted = f"dependencies as in the index: {package.dependencies or 'none'}"
        yield Fault(CheckKind.INSIDE, wanted, needs or "none", job.path, todo)


def _same(needs: str) -> Any:
    """Dependencies without their order, and what comes twice; createrepo_c sorts them."""
    return {"".join(need.split()) for need in needs.split(",")}


def _digests(job: FileCheck, taken: _Taken) -> Iterator[Fault]:
    """The digests that an rpm has in itself, as `rpm -K` compares them."""
    found = rpm_metadata.read_headers(taken.head, taken.size)
    header = found.signature.one(_HEADER_DIGEST)
    main = taken.head[found.main.start : found.main.end]
    if header and hashlib.sha256(main).hexdigest() != header:
        yield Fault(CheckKind.INSIDE, f"header of sha256 {header}", "another one", job.path)
    known = found.main.one(_PAYLOAD_ALGORITHM, 0) == _SHA256
    payload = found.main.one(_PAYLOAD_DIGEST) if known else ""
    if payload and taken.payload != payload:
        yield Fault(CheckKind.INSIDE, f"payload of sha256 {payload}", taken.payload, job.path)
