"""Audits packages: each different binary in them once; also for repositories that require it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubeparcel.config.settings import load_settings
from kubeparcel.console import Log, QuietLog, first_names
from kubeparcel.errors import UsageError
from kubeparcel.packages.inspection import InspectionCache
from kubeparcel.packages.model import ElfInfo, GoBuildInfo, PackageContents
from kubeparcel.packages.reader import read_package
from kubeparcel.trust.audit import govulncheck
from kubeparcel.trust.audit.database import check_copy, locate_database, require_recent
from kubeparcel.trust.audit.govulncheck import Match, Scan
from kubeparcel.trust.audit.model import Audit, FailOn, Finding, Use, Vulnerability
from kubeparcel.trust.audit.openvex import apply_statements, load_statements, unused_statements
from kubeparcel.trust.audit.report import group_by_fix
from kubeparcel.trust.patched_source import name_published_modules, read_patched_source

MAX_AGE_DAYS = 30
_STANDARD_LIBRARY = "stdlib"


@dataclass(frozen=True)
class AuditRequest:
    """How to audit. Names of files and folders are relative to `base`.

    `database` is a URL or a folder, Go's own if empty; it may be `max_age` days old. `vex` are files with OpenVEX
    documents, `govulncheck` is the program, if not the one on PATH.
    """

    base: Path
    database: str = ""
    vex: Sequence[str] = ()
    govulncheck: str = ""
    max_age: int = MAX_AGE_DAYS


PackageFile = Callable[[PackageContents], Path]

"""Returns the file of a package."""


class _Extractor(InspectionCache):
    """Writes the requested binaries of packages to files, while the packages are read."""

    def __init__(self, targets: Mapping[str, Path]) -> None:
        super().__init__(lambda *_: "")  # md5sums do not matter here
        self._targets = targets

    def elf(self, sha256: str, data: memoryview) -> ElfInfo:
        if sha256 in self._targets:
            self._targets[sha256].write_bytes(data)
        return super().elf(sha256, data)


def audit_packages(
    packages: Sequence[PackageContents], package_file: PackageFile, request: AuditRequest, log: Log
) -> Audit:
    """Return the known vulnerabilities of the Go binaries in packages.

    Raises DatabaseError for a database that is missing, damaged or too old, ToolError without a working govulncheck,
    ConfigurationError for an invalid VEX document, and UsageError if there is no Go binary: an audit of nothing never
    passes.
    """
    binaries, others = _binaries(packages)
    if not binaries:
        raise UsageError("No Go binaries in these packages: nothing to audit.", "Give packages with programs.")
    statements = load_statements([request.base / file for file in request.vex])
    address, folder = locate_database(request.database, request.base)
    program = govulncheck.find_govulncheck(request.govulncheck, request.base)
    if folder:
        check_copy(folder, {_STANDARD_LIBRARY, *(module for binary in binaries.values() for module in binary.modules)})
    scans = {}
    with log.task("Audit", "Go binaries", len(binaries)) as task:
        for sha256, path in _extract(packages, package_file, binaries):
            scans[sha256] = govulncheck.scan(program, path, address)
            database = require_recent(address, scans[sha256].modified, request.max_age)
            task.advance()
    findings = apply_statements(_findings(scans, binaries), statements)
    remarks = [*_remarks(binaries)]
    remarks += [
        f"{statement.source}: the statement on {min(statement.vulnerability)} matches no finding"
        for statement in unused_statements(findings, statements)
    ]
    return Audit(
        database, next(iter(scans.values())).scanner, len(binaries), tuple(findings), tuple(others), tuple(remarks)
    )


@dataclass(frozen=True)
class _Binary:
    """A Go binary, and all packages with it."""

    go: GoBuildInfo
    uses: list[Use]

    @property
    def modules(self) -> set[str]:
        return {module.path for module in (self.go.module, *self.go.dependencies)}


def _binaries(packages: Sequence[PackageContents]) -> tuple[dict[str, _Binary], list[tuple[Use, str]]]:
    """Return the Go binaries by SHA-256, and the other binaries with the reason why they are not audited."""
    binaries: dict[str, _Binary] = {}
    others: list[tuple[Use, str]] = []
    for package in packages:
        source = read_patched_source(package)
        for entry in package.entries:
            if entry.elf is None:
                continue
            go = source.published(entry.elf.go) if source and entry.elf.go else entry.elf.go
            main = (go.module.path, go.module.version) if go else ("", "")
            use = Use(package.name, package.release, str(package.format), package.arch, entry.path, *main)
            if go is None:
                others.append((use, "not built with Go"))
            elif not go.module.path:
                others.append((use, "built without modules"))
            else:
                binaries.setdefault(entry.sha256, _Binary(go, [])).uses.append(use)
    return binaries, others


def _extract(
    packages: Sequence[PackageContents], package_file: PackageFile, binaries: Mapping[str, _Binary]
) -> Iterator[tuple[str, Path]]:
    """Yield each binary with its file, which is removed later; packages without new binaries are not read."""
    seen: set[str] = set()
    for package in packages:
        wanted = {entry.sha256 for entry in package.entries} & binaries.keys() - seen
        if not wanted:
            continue
        seen |= wanted
        with tempfile.TemporaryDirectory(prefix="kp-") as folder:
            targets = {sha256: Path(folder, sha256) for sha256 in wanted}
            read_package(package_file(package), _Extractor(targets))
            if source := read_patched_source(package):
                for path in targets.values():
                    name_published_modules(path, source)
            yield from sorted(targets.items())


def _findings(scans: Mapping[str, Scan], binaries: Mapping[str, _Binary]) -> list[Finding]:
    """Return each finding once, with all binaries that have it."""
    uses: dict[Match, list[Use]] = {}
    vulnerabilities: dict[str, Vulnerability] = {}
    for sha256, scan in scans.items():
        vulnerabilities |= scan.vulnerabilities
        for match in scan.matches:
            uses.setdefault(match, []).extend(binaries[sha256].uses)
    return [
        Finding(
            vulnerabilities.get(match.vulnerability, Vulnerability(match.vulnerability, (), "", "")),
            match.module,
            match.version,
            match.fixed,
            match.level,
            tuple(sorted(found)),
        )
        for match, found in sorted(uses.items(), key=lambda item: item[0].key)
    ]


def _remarks(binaries: Mapping[str, _Binary]) -> Iterator[str]:
    """Yield what govulncheck cannot judge: modules without a version."""
    unversioned: dict[str, set[str]] = {}
    for binary in binaries.values():
        for module in (binary.go.module, *binary.go.dependencies):
            if module.version in ("", "(devel)", "v0.0.0"):
                unversioned.setdefault(module.path, set()).update(use.package for use in binary.uses)
    for path, packages in sorted(unversioned.items()):
        yield f"{path} has no version in {', '.join(sorted(packages))}: its own vulnerabilities are not found"


def audit_problem(file: Path, base: Path) -> str:
    """Return why a package fails an audit with the settings of the folder `base`; empty if it passes.

    A package without binaries passes. Raises DatabaseError or ToolError if nothing can be audited.
    """
    contents = read_package(file)
    if not any(entry.elf for entry in contents.entries):
        return ""
    not_go = [entry.path for entry in contents.entries if entry.elf and not (entry.elf.go and entry.elf.go.module.path)]
    if not_go:
        return f"{not_go[0]} cannot be audited: it was not built from Go modules"
    settings = load_settings({}, base)
    request = AuditRequest(base, settings.vulnerability_database, settings.vex)
    audit = audit_packages([contents], lambda _: file, request, QuietLog())
    problems = list(_problems(audit, FailOn(settings.audit_fail_on)))
    return f"known vulnerabilities: {first_names(problems)}" if problems else ""


def _problems(audit: Audit, fail_on: FailOn) -> Iterator[str]:
    for fix in group_by_fix(audit.failing(fail_on)):
        ids = dict.fromkeys(finding.vulnerability.id for finding in fix.findings)
        yield from (f"{name} ({fix.title})" for name in ids)
