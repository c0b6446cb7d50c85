"""Fetch packages into the store: each is written, hashed and verified in one pass, and kept by its digest."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kubeparcel.console import Log, quantity
from kubeparcel.doctor.findings import CheckKind, Fault
from kubeparcel.doctor.package_contents import PackageBytes
from kubeparcel.doctor.package_files import FileResult, check_local, fetch, local_path, read_local, reading_threads
from kubeparcel.doctor.published_packages import describe_finding
from kubeparcel.doctor.reader import doctor_hint
from kubeparcel.errors import CheckFailed, ExternalError
from kubeparcel.files import translate_os_errors
from kubeparcel.importing.source import Source, SourceChanged
from kubeparcel.model import Format
from kubeparcel.packages.errors import BrokenPackage, MalformedData
from kubeparcel.reports.results import Finding
from kubeparcel.repository.candidates.read import PackageFiles, parse_package
from kubeparcel.repository.file_stamp import FileStamp
from kubeparcel.repository.package import Package
from kubeparcel.repository.package_cache import ParsedFile, ParsedPackage
from kubeparcel.sanitize import redact_url
from kubeparcel.store import Store
from kubeparcel.threads import CancelToken, parallel_map

_KEY_HINT = "If you trust that key, add it to the file that --key names: it may have several."
_SHA256_LENGTH = 64
_DIGESTS = "imported"
"""The records of the SHA-256 of packages that a source lists by SHA-384 or SHA-512."""


def fetch_packages(source: Source, packages: Sequence[Package], store: Store, log: Log) -> dict[Package, ParsedFile]:
    """Return the verified files of packages. Those fetched by an interrupted import are taken from the store.

    Raises SourceChanged for a file that is not the listed one, CheckFailed for one that clients reject, and
    ExternalError if it cannot be read.
    """
    total = sum(package.size for package in packages)
    with store.scratch() as folder, log.task("Fetch", quantity(len(packages), "packages"), total, "B") as task:
        fetcher = _Fetcher(source, store, folder)

        def work(package: Package, _: CancelToken) -> ParsedFile:
            fetched = fetcher.fetch(package)
            task.advance(package.size)
            return fetched

        try:
            return dict(zip(packages, parallel_map(work, packages, reading_threads(source.reader)), strict=True))
        except ExternalError as error:
            hint = "Complete packages were kept: run the same command again to continue."
            raise type(error)(error.message, "\n".join(filter(None, (error.hint, hint)))) from error


def listed_sha256(package: Package, store: Store) -> str:
    """Return the SHA-256 of a source's package; that of one listed by another digest only if it was fetched before."""
    if len(package.sha256) == _SHA256_LENGTH:
        return package.sha256
    known = store.get_record(_DIGESTS, package.sha256)
    return known if isinstance(known, str) else ""


def package_files(fetched: Iterable[ParsedFile]) -> PackageFiles:
    """Return fetched packages as publishing takes them."""
    read = {package.parsed.package: package for package in fetched}
    return PackageFiles(
        {package.sha256: fetched.file for package, fetched in read.items()},
        {package: fetched.parsed.signed for package, fetched in read.items()},
    )


@dataclass(frozen=True)
class _Fetcher:
    """Fetches packages into a store; `folder` is on its file system."""

    source: Source
    store: Store
    folder: Path
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def fetch(self, package: Package) -> ParsedFile:
        """Return a package's verified file: from the store, a local repository, or over the network."""
        check = self.source.checks[package]
        sha256 = listed_sha256(package, self.store)
        if sha256 and self.store.has(sha256):
            cached = self.store.path(sha256)
            try:
                return self._local(package, cached)
            except SourceChanged:
                self.store.quarantine(cached, package.label)
        if path := local_path(self.source.reader, check):
            return self._local(package, path)
        path = self.folder / str(next(self.numbers))
        parsed = self._verified(package, path, fetch(self.source.reader, check, path))
        target = self.store.path(parsed.package.sha256)
        self.store.add_hashed(path, parsed.package.sha256)
        return ParsedFile(_stamp(target), parsed)

    def _local(self, package: Package, path: Path) -> ParsedFile:
        """Return a local file. Its stamp is taken first, so that a change after it was verified is noticed."""
        stamp = _stamp(path) if path.is_file() else None
        file = read_local(self.source.checks[package], path) if stamp else None
        parsed = self._verified(package, path, file)
        assert stamp is not None  # noqa: S101 - a missing file is a fault
        return ParsedFile(stamp, parsed)

    def _verified(self, package: Package, path: Path, file: PackageBytes | None) -> ParsedPackage:
        """Return the metadata of a package whose bytes are at `path`. Raises SourceChanged and CheckFailed."""
        check = self.source.checks[package]
        self._require_valid(package, check_local(check, path, file, self.source.keys))
        assert file is not None  # noqa: S101 - a missing file is a fault
        try:
            parsed = parse_package(package.format, file.head, file.digest.size, file.digest.digests["sha256"])
        except MalformedData as error:
            raise BrokenPackage(f"{redact_url(check.path)}: {error}.", error.hint) from None
        if len(package.sha256) != _SHA256_LENGTH:
            self.store.put_record(_DIGESTS, package.sha256, parsed.package.sha256)
        return parsed

    def _require_valid(self, package: Package, result: FileResult) -> None:
        details = doctor_hint(self.source.reader)
        path = redact_url(self.source.checks[package].path)
        ignored = (CheckKind.RPM_SIGNATURE, CheckKind.PACKET) if self.source.insecure else ()
        for fault in result.faults:
            if fault.kind not in ignored and not _is_old_format(fault):
                kind = SourceChanged if fault.kind is CheckKind.FILES else CheckFailed
                hint = _KEY_HINT if fault.kind is CheckKind.RPM_SIGNATURE else details
                raise kind(describe_finding(package.label, Finding(fault.expected, fault.found, path)), hint)
        index_signed = self.source.origins[package].signers
        if package.format is Format.RPM and not (result.signed or index_signed or self.source.insecure):
            finding = Finding("a signature of the rpm or of repomd.xml", "neither", path)
            raise CheckFailed(describe_finding(package.label, finding), f"--insecure accepts it. {details}")


def _is_old_format(fault: Fault) -> bool:
    """Return whether a valid signature only has an old format: the package gets ours."""
    return fault.kind is CheckKind.PACKET and fault.found.startswith("version")


def _stamp(path: Path) -> FileStamp:
    with translate_os_errors(path):
        return FileStamp.of(str(path), path.stat(), time.time_ns())
