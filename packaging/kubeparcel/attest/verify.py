"""Verifies statements: their signatures, the files that they describe, and the materials of these files."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kubeparcel.attest.materials import compare_materials
from kubeparcel.build.lock import lockfile
from kubeparcel.build.statements import FOLDER, SUFFIX
from kubeparcel.console import Log
from kubeparcel.doctor.attestations import check_attestations
from kubeparcel.doctor.discovery import discover
from kubeparcel.doctor.keys import certificate_keys, load_trusted_keys, read_keys
from kubeparcel.doctor.locations import open_location
from kubeparcel.doctor.reader import RepositoryReader, limited
from kubeparcel.errors import KubeparcelError, UsageError
from kubeparcel.files import sha256_of, translate_os_errors
from kubeparcel.lock_models import Lock
from kubeparcel.packages import limits
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.find import find_package_files
from kubeparcel.paths import display_path
from kubeparcel.reports.results import Check, CheckList, Finding, Report
from kubeparcel.repository.generation_statement import CURRENT
from kubeparcel.repository.package import STATEMENT_SUFFIX
from kubeparcel.sanitize import redact_url
from kubeparcel.trust.dsse import Envelope, parse_envelope
from kubeparcel.trust.package_statement import parse_package_statement
from kubeparcel.trust.public_keys import PublicKey, signers
from kubeparcel.trust.statement import Statement

_NO_STATEMENT_HINT = "Download it from the repository, where it is next to the package."
_KEY_HINT = "Pass --key FILE with the public key of the publisher: key.pem or key.asc of its repository."
_NO_KEY = Finding("a key to verify the signature with", "none", hint=_KEY_HINT)
_UNSIGNED_HINT = "inv publish signs statements. Without --key, statements of your own builds are accepted unsigned."
_ANOTHER_FILE_HINT = "Somebody changed the file, or it has the statement of another build. Do not install it."


class AttestCheck(CheckList):
    """The checks of a package: name, and what is true if they pass."""

    STATEMENT = ("statement", "a valid statement is about this very file")
    SIGNATURE = ("signature", "a trusted key signed the statement")
    MATERIALS = ("materials", "it was made from what kubeparcel.lock names")
    REBUILD = ("rebuild", "building it again from its materials gives the same bytes")


@dataclass(frozen=True)
class AttestRequest:
    """What to verify: package files, folders with packages, or repositories (folder, URL or bucket).

    `key` is a file with public keys (PEM or OpenPGP) or the name of a key; without it, those of a repository are
    trusted. kubeparcel.lock and the user's files are in `base`; a rebuild fetches upstream's files from `mirror`.
    """

    locations: Sequence[str]
    key: str = ""
    rebuild: bool = False
    base: Path = Path()
    mirror: str = ""


@dataclass(frozen=True)
class _Attested:
    """A package file with its statement; `envelope` is None where the statement is not signed yet."""

    file: Path
    statement: Statement
    envelope: Envelope | None


def verify(request: AttestRequest, log: Log) -> Report:
    """Verify all locations. Raises UsageError for one without packages or repository."""
    started = time.monotonic()
    locks = lockfile.read_all(request.base / lockfile.NAME)
    checks: list[Check] = []
    for location in request.locations:
        reader = _open_repository(location)
        if reader is None:
            checks += _check_files(request, Path(location), locks, log)
        else:
            checks += _check_repository(request, reader, locks, log)
    return Report("attest", tuple(checks), time.monotonic() - started)


def _open_repository(location: str) -> RepositoryReader | None:
    """Return a reader of a repository of kubeparcel; None for a file or another folder."""
    if "://" not in location and not Path(location).is_dir():
        return None
    reader = open_location(location)
    if reader.read(CURRENT, 1) is not None:
        return reader
    if "://" not in location:
        return None
    raise UsageError(f"{location} has no {CURRENT}.", "Only repositories published by kubeparcel have one.")


def _check_repository(
    request: AttestRequest, reader: RepositoryReader, locks: Sequence[Lock], log: Log
) -> Iterator[Check]:
    keys = read_keys(request.key) if request.key else _offered_keys(reader)
    if not keys:
        yield AttestCheck.SIGNATURE.result(redact_url(reader.location), [_NO_KEY])
        return
    result = check_attestations(reader, keys, {}, log)
    yield from result.subject.checks
    for path, statement in result.packages.items():
        findings, not_run = compare_materials(statement, *locks)
        yield AttestCheck.MATERIALS.result(path, findings, not_run)
    if request.rebuild:
        yield from _rebuild_published(request, reader, result.packages, log)


def _offered_keys(reader: RepositoryReader) -> tuple[PublicKey, ...]:
    with load_trusted_keys(reader, discover(reader), "", time.time(), 0) as keys:
        return certificate_keys(keys.certificates)


def _rebuild_published(
    request: AttestRequest, reader: RepositoryReader, packages: Mapping[str, Statement], log: Log
) -> Iterator[Check]:
    """Fetch each distinct package and build it again."""
    from kubeparcel.user_cache import open_store

    seen: set[str] = set()
    for path, statement in packages.items():
        (subject,) = statement.subjects
        if subject.digest["sha256"] in seen:
            continue
        seen.add(subject.digest["sha256"])
        with open_store(log).scratch(elsewhere=True) as folder:
            file = folder / path.rpartition("/")[2]
            try:
                written = reader.stream(path, partial(_write, file))
            except MalformedData as error:
                yield AttestCheck.REBUILD.result(path, [Finding("the package", str(error))])
                continue
            if written:
                yield _rebuild(request, _Attested(file, statement, None), path, log)


def _write(file: Path, blocks: Iterator[bytes]) -> bool:
    with translate_os_errors(file), file.open("wb") as target:
        target.writelines(limited(blocks, limits.FILE, file.name))
    return True


def _check_files(request: AttestRequest, path: Path, locks: Sequence[Lock], log: Log) -> Iterator[Check]:
    keys = read_keys(request.key) if request.key else ()
    for file in find_package_files([path]):
        yield from _check_file(request, file, keys, locks, log)


def _check_file(
    request: AttestRequest, file: Path, keys: Sequence[PublicKey], locks: Sequence[Lock], log: Log
) -> Iterator[Check]:
    name = display_path(file)
    try:
        attested = _read(file)
    except MalformedData as error:
        finding = Finding("a valid statement about the file", str(error), hint=_ANOTHER_FILE_HINT)
        yield AttestCheck.STATEMENT.result(name, [finding])
        return
    if attested is None:
        finding = Finding(f"{file.name}{STATEMENT_SUFFIX} next to it", "no statement", hint=_NO_STATEMENT_HINT)
        yield AttestCheck.STATEMENT.result(name, [finding])
        return
    signature = _signature(attested, name, keys)
    subject = _subject(attested, name)
    yield from (subject, signature)
    if signature.findings or subject.findings:
        return
    findings, not_run = compare_materials(attested.statement, *locks)
    yield AttestCheck.MATERIALS.result(name, findings, not_run)
    if request.rebuild:
        yield _rebuild(request, attested, name, log)


def _read(file: Path) -> _Attested | None:
    """Return the statement about a file: signed next to it, or as a build left it. Raises MalformedData."""
    signed = file.with_name(f"{file.name}{STATEMENT_SUFFIX}")
    if signed.is_file():
        envelope = parse_envelope(_bytes(signed), signed.name)
        return _Attested(file, parse_package_statement(envelope.payload, signed.name), envelope)
    for folder in (file.parent / FOLDER, file.parent.parent / FOLDER):
        unsigned = folder / f"{file.name}{SUFFIX}"
        if unsigned.is_file():
            return _Attested(file, parse_package_statement(_bytes(unsigned), unsigned.name), None)
    return None


def _bytes(file: Path) -> bytes:
    with translate_os_errors(file), file.open("rb") as source:
        return source.read(limits.ENVELOPE.maximum + 1)


def _subject(attested: _Attested, name: str) -> Check:
    sha256, digests = sha256_of(attested.file), attested.statement.digests
    if sha256 in digests.values():
        return AttestCheck.STATEMENT.result(name)
    expected = f"sha256 {next(iter(digests.values()))}, which the statement is about"
    return AttestCheck.STATEMENT.result(name, [Finding(expected, f"sha256 {sha256}", hint=_ANOTHER_FILE_HINT)])


def _signature(attested: _Attested, name: str, keys: Sequence[PublicKey]) -> Check:
    if attested.envelope is None and keys:
        finding = Finding("a signature by a trusted key", "the statement is not signed", hint=_UNSIGNED_HINT)
        return AttestCheck.SIGNATURE.result(name, [finding])
    if attested.envelope is None:
        return AttestCheck.SIGNATURE.result(name, not_run="not signed yet; inv publish signs statements")
    if not keys:
        return AttestCheck.SIGNATURE.result(name, [_NO_KEY])
    if signers(attested.envelope, tuple(keys)):
        return AttestCheck.SIGNATURE.result(name)
    named = ", ".join(signature.key_id or "an unnamed key" for signature in attested.envelope.signatures)
    found = f"no valid signature by it (signed by {named})"
    return AttestCheck.SIGNATURE.result(name, [Finding("a signature by a trusted key", found, hint=_ANOTHER_FILE_HINT)])


def _rebuild(request: AttestRequest, attested: _Attested, name: str, log: Log) -> Check:
    """Build a package again; an error is a finding."""
    from kubeparcel.attest.rebuild import rebuild

    try:
        findings = rebuild(
            attested.file, attested.statement, request.base, request.mirror, log, trusted=bool(request.key)
        )
    except KubeparcelError as error:
        findings = [Finding("a package built from its materials", error.message, hint=error.hint)]
    return AttestCheck.REBUILD.result(name, findings)
