"""Checks what a repository of kubeparcel promises: its own statement, and the files next to packages that it lists."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kubeparcel.console import Log
from kubeparcel.doctor.findings import NO_KEY, CheckKind, Fault, Subject
from kubeparcel.doctor.reader import RepositoryReader, limited
from kubeparcel.errors import ConfigurationError, ExternalError
from kubeparcel.model import PACKAGE_SUFFIXES
from kubeparcel.packages import limits
from kubeparcel.packages.errors import MalformedData
from kubeparcel.repository import generation_statement
from kubeparcel.repository.model import State
from kubeparcel.repository.package import SBOM_SUFFIXES, STATEMENT_SUFFIX
from kubeparcel.repository.storage.base import T, check_path
from kubeparcel.threads import CancelToken, parallel_map
from kubeparcel.trust.dsse import Envelope, parse_envelope
from kubeparcel.trust.package_statement import parse_package_statement
from kubeparcel.trust.public_keys import PublicKey, signers
from kubeparcel.trust.statement import REPOSITORY_BUILD_TYPE, Statement, parse_statement

_CONNECTIONS = 8
_PROMISES = {"sbom": SBOM_SUFFIXES, "provenance": (STATEMENT_SUFFIX,)}
_REPUBLISH_HINT = "Publish again: every change signs a new statement."
_RESTORE_HINT = (
    "Somebody changed the repository. Restore the file from a copy, or publish the package as a new revision."
)


@dataclass
class Attestations:
    """What was checked, and the statements about packages by the path of the package: valid ones by a trusted key."""

    subject: Subject
    packages: dict[str, Statement] = field(default_factory=dict)


def is_promised(reader: RepositoryReader, state: State | None) -> bool:
    """Return whether a repository has a statement, or its state says so."""
    return bool(state and state.index_digests) or reader.read(generation_statement.CURRENT, 1) is not None


def check_attestations(
    reader: RepositoryReader,
    keys: Sequence[PublicKey],
    known_digests: Mapping[str, str],
    log: Log,
    *,
    whole: bool = True,
) -> Attestations:
    """Check the repository's statement, what it is about, and the files next to packages.

    `known_digests` are SHA-256 by path that need not be computed again; unless `whole`, no other package is read.
    """
    result = Attestations(Subject("attestations"))
    subject = result.subject
    statement = _repository_statement(reader, keys, subject)
    if statement is None:
        subject.mark_not_run("there is no valid statement", CheckKind.SUBJECTS, CheckKind.SIDE_FILES)
        return result
    subject.description = f"generation {statement.external.get('generation')}"
    examination = _Examination(reader, keys, log, result, statement)
    examination.check_subjects(known_digests, whole=whole)
    if statement.byproducts:
        examination.check_side_files()
    _check_promises(statement, subject)
    return result


def _repository_statement(reader: RepositoryReader, keys: Sequence[PublicKey], subject: Subject) -> Statement | None:
    path = generation_statement.CURRENT
    subject.mark_run(CheckKind.STATEMENT)
    data = reader.read(path, limits.ENVELOPE.maximum + 1)
    if data is None:
        subject.add_finding(
            CheckKind.STATEMENT, "the statement about the repository", "file not found", path, _REPUBLISH_HINT
        )
        return None
    try:
        envelope = parse_envelope(data, path)
        statement = parse_statement(envelope.payload, path, REPOSITORY_BUILD_TYPE)
    except MalformedData as error:
        subject.add_finding(CheckKind.STATEMENT, "a statement about the repository", str(error), path, _REPUBLISH_HINT)
        return None
    if not keys:
        subject.mark_not_run(NO_KEY, CheckKind.STATEMENT_SIGNATURE)
    else:
        subject.mark_run(CheckKind.STATEMENT_SIGNATURE)
        subject.add_faults(_signature_faults(envelope, keys, path))
    return None if CheckKind.STATEMENT_SIGNATURE in subject.findings else statement


def _signature_faults(envelope: Envelope, keys: Sequence[PublicKey], path: str) -> Iterable[Fault]:
    """Return the fault of a statement that no key has signed."""
    if signers(envelope, tuple(keys)):
        return ()
    named = ", ".join(signature.key_id[-16:] or "an unnamed key" for signature in envelope.signatures)
    found = f"no signature by a trusted key is valid (signed by {named})"
    return [Fault(CheckKind.STATEMENT_SIGNATURE, "a valid signature by a trusted key", found, path, _REPUBLISH_HINT)]


@dataclass(frozen=True)
class _Examination:
    """Checks what a valid statement is about; `result` gets the findings and the statements about packages."""

    reader: RepositoryReader
    keys: Sequence[PublicKey]
    log: Log
    result: Attestations
    statement: Statement

    def check_subjects(self, known: Mapping[str, str], *, whole: bool) -> None:
        """Check the digests of indexes and packages; unless `whole`, only of packages with known digests."""
        self.result.subject.mark_run(CheckKind.SUBJECTS)
        listed = {
            path: sha256
            for path, sha256 in self.statement.digests.items()
            if whole or path in known or not path.endswith(PACKAGE_SUFFIXES)
        }
        digests = self._read_all(listed, "files", lambda path: known.get(path) or self.reader.stream(path, _hash))
        for path, expected in listed.items():
            self._compare(CheckKind.SUBJECTS, path, expected, digests[path])

    def check_side_files(self) -> None:
        """Check the digests of the files next to packages, and the signatures of the statements among them."""
        self.result.subject.mark_run(CheckKind.SIDE_FILES)
        listed = {resource.name: resource.digest.get("sha256", "") for resource in self.statement.byproducts}
        files = self._read_all(listed, "files next to packages", self._read_side_file)
        for path, expected in listed.items():
            content = files[path]
            actual, data = content if isinstance(content, tuple) else (content, b"")
            if self._compare(CheckKind.SIDE_FILES, path, expected, actual) and path.endswith(STATEMENT_SUFFIX):
                self._check_package_statement(data, path)

    def _read_side_file(self, path: str) -> tuple[str, bytes] | None:
        """Return the SHA-256 of a file, and the content if it is a statement: other files may be large."""
        if not path.endswith(STATEMENT_SUFFIX):
            digest = self.reader.stream(path, _hash)
            return (digest, b"") if digest else None
        data = self.reader.read(path, limits.ENVELOPE.maximum + 1)
        return None if data is None else (hashlib.sha256(data).hexdigest(), data)

    def _read_all(
        self, paths: Collection[str], what: str, read: Callable[[str], T | None]
    ) -> dict[str, T | str | None]:
        """Return what was read at each path: None if it does not exist, or the error's message."""

        def work(path: str, _: CancelToken) -> T | str | None:
            try:
                return read(check_path(path))
            except (ExternalError, ConfigurationError) as error:
                return error.message
            except MalformedData as error:
                return str(error)
            finally:
                task.advance()

        with self.log.task("Attest", f"{len(paths):,} {what}", len(paths), what) as task:
            return dict(zip(paths, parallel_map(work, tuple(paths), _CONNECTIONS), strict=True))

    def _compare(self, kind: CheckKind, path: str, expected: str, actual: str | None) -> bool:
        if actual != expected:
            found = actual or "file not found"
            self.result.subject.add_finding(kind, f"sha256 {expected}", found, path, _RESTORE_HINT)
        return actual == expected

    def _check_package_statement(self, data: bytes, path: str) -> None:
        subject, package = self.result.subject, path.removesuffix(STATEMENT_SUFFIX)
        sha256 = self.statement.digests.get(package, "")
        subject.mark_run(CheckKind.PROVENANCE)
        try:
            envelope = parse_envelope(data, path)
            statement = parse_package_statement(envelope.payload, path)
        except MalformedData as error:
            subject.add_finding(CheckKind.PROVENANCE, "a statement about the package", str(error), path, _RESTORE_HINT)
            return
        if sha256 not in statement.digests.values():
            expected, found = f"a statement about sha256 {sha256}", f"sha256 {next(iter(statement.digests.values()))}"
            subject.add_finding(CheckKind.PROVENANCE, expected, found, path, _RESTORE_HINT)
            return
        faults = list(_signature_faults(envelope, self.keys, path)) if self.keys else []
        subject.add_faults(fault._replace(kind=CheckKind.PROVENANCE) for fault in faults)
        if not faults:
            self.result.packages[package] = statement


def _hash(blocks: Iterable[bytes]) -> str:
    hash_ = hashlib.sha256()
    for block in limited(blocks, limits.FILE, "the file"):
        hash_.update(block)
    return hash_.hexdigest()


def _check_promises(statement: Statement, subject: Subject) -> None:
    required = statement.external.get("required", [])
    if not isinstance(required, list):
        found = f"{required!r:.100}"
        subject.add_finding(CheckKind.STATEMENT, "a list of requirements", found, generation_statement.CURRENT)
        return
    suffixes = [suffix for name in _PROMISES if name in required for suffix in _PROMISES[name]]
    listed = {resource.name for resource in statement.byproducts}
    packages = [path for path in statement.digests if path.endswith(PACKAGE_SUFFIXES)]
    missing = [f"{path}{suffix}" for path in packages for suffix in suffixes if f"{path}{suffix}" not in listed]
    if suffixes:
        subject.mark_run(CheckKind.SIDE_FILES)
    for path in missing:
        subject.add_finding(CheckKind.SIDE_FILES, "what the repository requires", "not listed", path, _REPUBLISH_HINT)
