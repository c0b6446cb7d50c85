"""Read a package in one pass, and compare what is inside with its index entry."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from kubeparcel.doctor.findings import CheckKind, Fault, FileDigest, Hasher, Subject
from kubeparcel.model import Format
from kubeparcel.packages import limits
from kubeparcel.packages.deb import deb_metadata
from kubeparcel.packages.digest import HEAD_SIZE
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.rpm import header as rpm_header
from kubeparcel.packages.rpm import rpm_metadata, tags
from kubeparcel.repository.candidates.read import HEAD_LENGTH
from kubeparcel.repository.package import Package

BROKEN_HINT = "Clients cannot install it. Build and publish it again, with a higher revision."
_INDEX_HINT = "Clients resolve by the index and then fail. Generate the indexes again."


@dataclass(frozen=True)
class FileCheck:
    """A package file to check: its index entry, its path, and its listed digests."""

    package: Package
    path: str
    digests: Mapping[str, str]

    @property
    def located_package(self) -> Package:
        """The package, at the path of its file in the repository."""
        return self.package._replace(path=self.path)


def file_checks(subject: Subject) -> Iterator[FileCheck]:
    """Yield the file of each package, with what its index lists."""
    for package in subject.packages:
        digests = subject.digests.get(package) or {"sha256": package.sha256}
        yield FileCheck(package, subject.locations[package], digests)


@dataclass(frozen=True)
class PackageBytes:
    """A file's first bytes, size and digests, and the SHA-256 of an rpm's payload."""

    head: bytes
    digest: FileDigest
    payload_sha256: str


def read_bytes(check: FileCheck, blocks: Iterator[bytes]) -> PackageBytes:
    """Hash a package in one pass, by the listed algorithms and SHA-256, and keep the bytes with its metadata."""
    hasher = Hasher({*check.digests, "sha256"})
    blocks = hasher.pass_on(blocks, min(check.package.size, limits.FILE.maximum))
    head = read_head(check.package.format, blocks)
    start = _payload_start(head) if check.package.format is Format.RPM else None
    payload = None if start is None else hashlib.sha256(head[start:])
    for block in blocks:
        if payload:
            payload.update(block)
    return PackageBytes(head, hasher.result, payload.hexdigest() if payload else "")


def read_head(format_: Format, blocks: Iterator[bytes]) -> bytes:
    """Return the bytes with the package's metadata, or the first bytes of a malformed package."""
    head, length = bytearray(), HEAD_SIZE
    for block in blocks:
        head += block
        if len(head) >= length:
            with suppress(MalformedData):  # contents_faults reports it
                length = HEAD_LENGTH[format_](bytes(head))
            if len(head) >= length:
                break
    return bytes(head)


def _payload_start(head: bytes) -> int | None:
    try:
        length = rpm_header.head_length(head)
    except MalformedData:
        return None
    return length if length <= len(head) else None


def contents_faults(check: FileCheck, file: PackageBytes) -> Iterator[Fault]:
    """Compare the package's own metadata with its index entry."""
    package = check.package
    HEAD_LENGTH[package.format](file.head)
    if package.format is Format.DEB:
        text = deb_metadata.control_text(file.head, file.digest.size)
        fields = deb_metadata.parse_fields(text)
        identity, dependencies = deb_metadata.identity(fields), deb_metadata.dependencies(fields)
    else:
        main = rpm_header.read_headers(file.head, file.digest.size).main
        identity, dependencies = rpm_metadata.identity(main), rpm_metadata.dependencies(main)
        yield from _rpm_digest_faults(check, file)
    if identity != package.identity[1:]:
        found = " ".join(identity)
        yield Fault(CheckKind.INSIDE, package.label, found, check.path, _INDEX_HINT)
    elif _comparable(dependencies) != _comparable(package.dependencies):
        expected = f"dependencies as in the index: {package.dependencies or 'none'}"
        found = dependencies or "none"
        yield Fault(CheckKind.INSIDE, expected, found, check.path, _INDEX_HINT)


def _comparable(dependencies: str) -> set[str]:
    """Return dependencies without order and duplicates: createrepo_c sorts them."""
    return {"".join(dependency.split()) for dependency in dependencies.split(",")}


def _rpm_digest_faults(check: FileCheck, file: PackageBytes) -> Iterator[Fault]:
    """Compare an rpm's header and payload with the digests inside it, as `rpm -K` does."""
    headers = rpm_header.read_headers(file.head, file.digest.size)
    header = headers.signature.text(tags.SIG_SHA256)
    actual = hashlib.sha256(file.head[headers.main.start : headers.main.end]).hexdigest()
    if header and actual != header:
        expected = f"header with sha256 {header}"
        yield Fault(CheckKind.INSIDE, expected, actual, check.path, BROKEN_HINT)
    algorithm = tags.DIGESTS.get(headers.main.number(tags.PAYLOADDIGESTALGO) or 0)
    payload = headers.main.text(tags.PAYLOADDIGEST) if algorithm == "sha256" else ""
    if payload and file.payload_sha256 != payload:
        expected = f"payload with sha256 {payload}"
        yield Fault(CheckKind.INSIDE, expected, file.payload_sha256, check.path, BROKEN_HINT)
