"""Files that are published next to packages: SBOMs, advisories, and statements of provenance, which are signed here."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kubeparcel.console import Log, quantity
from kubeparcel.files import translate_os_errors
from kubeparcel.packages import limits
from kubeparcel.packages.errors import MalformedData
from kubeparcel.repository.advisories import parse_about
from kubeparcel.repository.candidates.match import Candidates, LocalFile
from kubeparcel.repository.candidates.scan import ScannedFolder, side_files
from kubeparcel.repository.file_stamp import FileStamp
from kubeparcel.repository.model import State
from kubeparcel.repository.package import ADVISORY_SUFFIX, STATEMENT_SUFFIX, Package, SideFileKey
from kubeparcel.repository.signing.signer import Signer
from kubeparcel.trust import package_statement
from kubeparcel.trust.sbom_files import for_signed_copy, parse_sbom
from kubeparcel.trust.statement import Statement

_UNSIGNED_SUFFIX = ".intoto.json"


@dataclass
class SideFiles:
    """New files about packages: their SHA-256 and local files, and why others are left out.

    Without a key to sign with (a dry run), statements have no SHA-256 and no file. `statements` are those of this
    publish by the SHA-256 of the package.
    """

    digests: dict[SideFileKey, str] = field(default_factory=dict)
    sources: dict[SideFileKey, FileStamp] = field(default_factory=dict)
    problems: dict[SideFileKey, str] = field(default_factory=dict)
    statements: dict[str, Statement] = field(default_factory=dict)

    def merged(self, published: Mapping[str, Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
        """Return the published files about packages, by the package's SHA-256, with the new ones."""
        merged = dict(published)
        for (package, suffix), sha256 in self.digests.items():
            merged[package] = {**merged.get(package, {}), suffix: sha256}
        return merged


def read_side_files(
    scanned: ScannedFolder, candidates: Candidates, state: State, signer: Signer | None, workspace: Path, log: Log
) -> SideFiles:
    """Return the files about the candidates that are not published yet; statements are signed into `workspace`."""
    result = SideFiles()
    described = side_files(scanned)
    statement_problem = signer.statement_problem if signer and described else ""
    for package, file in sorted(candidates.files.items()) if described else ():
        published = state.files_about(package)
        for suffix, path in described.get(file.path, {}).items():
            target = STATEMENT_SUFFIX if suffix == _UNSIGNED_SUFFIX else suffix
            if target not in published:
                key = (package.sha256, target)
                try:
                    _add(result, key, path, package, file, statement_problem, workspace)
                except MalformedData as error:
                    result.problems[key] = str(error)
    return _finish(result, signer, workspace, log)


def sign_statements(
    statements: Mapping[str, Statement], state: State, signer: Signer | None, workspace: Path, log: Log
) -> SideFiles:
    """Return statements, by the SHA-256 of their package, as files about packages that have none yet, signed."""
    result = SideFiles()
    problem = signer.statement_problem if signer and statements else ""
    for sha256, statement in statements.items():
        if STATEMENT_SUFFIX in state.side_files.get(sha256, {}):
            continue
        key = (sha256, STATEMENT_SUFFIX)
        if problem:
            result.problems[key] = problem
        else:
            result.digests[key], result.statements[sha256] = "", statement
    return _finish(result, signer, workspace, log)


def _finish(result: SideFiles, signer: Signer | None, workspace: Path, log: Log) -> SideFiles:
    """Sign the statements, and warn of what is left out."""
    if signer and result.statements:
        _sign(result, signer, workspace, log)
    for problem, count in Counter(result.problems.values()).items():
        packages = f" ({quantity(count, 'packages')})" if count > 1 else ""
        log.warn(f"Left out: {problem}{packages}.")
    return result


def _add(
    result: SideFiles,
    key: SideFileKey,
    path: str,
    package: Package,
    file: LocalFile,
    statement_problem: str,
    workspace: Path,
) -> None:
    """Add a file about a package. Raises MalformedData."""
    data = _read(Path(path))
    if key[1] == ADVISORY_SUFFIX:
        parse_about(package, data, path)
        _put(result, key, data, workspace)
        return
    if key[1] != STATEMENT_SUFFIX:
        _put(result, key, _sbom(data, path, file, key[0]), workspace)
        return
    statement = _statement(data, path, file)
    if statement_problem:
        result.problems[key] = statement_problem
    else:
        result.digests[key], result.statements[key[0]] = "", package_statement.for_signed_copy(statement, key[0])


def _put(result: SideFiles, key: SideFileKey, data: bytes, folder: Path) -> None:
    path = folder / "".join(key)
    path.write_bytes(data)
    path.chmod(0o644)
    result.digests[key] = hashlib.sha256(data).hexdigest()
    result.sources[key] = FileStamp.of(str(path), path.stat(), time.time_ns())


def _sign(result: SideFiles, signer: Signer, folder: Path, log: Log) -> None:
    packages = list(result.statements)
    signer.home.start_agent()
    with log.task("Sign", quantity(len(packages), "statements"), len(packages), "statements") as task:
        envelopes = signer.sign_payloads([statement.dump() for statement in result.statements.values()])
        task.advance(len(packages))
    for package, envelope in zip(packages, envelopes, strict=True):
        _put(result, (package, STATEMENT_SUFFIX), envelope, folder)


def _read(path: Path) -> bytes:
    with translate_os_errors(path), path.open("rb") as file:
        data = file.read(limits.ENVELOPE.maximum + 1)
    limits.ENVELOPE.check(len(data), str(path))
    return data


def _statement(data: bytes, path: str, file: LocalFile) -> Statement:
    """Return the statement about a package file. Raises MalformedData if it is about another one."""
    statement = package_statement.parse_package_statement(data, path)
    digests = sorted(statement.digests.values())
    if digests != [file.sha256]:
        raise MalformedData(f"{path} is about another file (sha256 {digests[0][:12]}…, not {file.sha256[:12]}…)")
    return statement


def _sbom(data: bytes, path: str, file: LocalFile, published: str) -> bytes:
    """Return the SBOM of the published package: an RPM may have another signature, and so another digest.

    Raises MalformedData if it is not about the package.
    """
    claimed = parse_sbom(data, path).sha256
    if claimed != file.sha256:
        raise MalformedData(f"{path} is about another file (sha256 {claimed[:12]}…, not {file.sha256[:12]}…)")
    return data if claimed == published else for_signed_copy(data, path, claimed, published)
