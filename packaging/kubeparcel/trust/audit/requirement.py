"""Whether a package meets the requirement `audit`: all its binaries are audited, and no finding fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kubeparcel.config.settings import load_settings
from kubeparcel.console import QuietLog, first_names
from kubeparcel.packages.reader import read_package
from kubeparcel.trust.audit.examination import AuditRequest, audit_packages
from kubeparcel.trust.audit.model import Audit, FailOn
from kubeparcel.trust.audit.report import group_by_fix


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
