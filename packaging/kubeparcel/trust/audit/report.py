"""The result of an audit as text and JSON, grouped by what fixes it."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kubeparcel.console import quantity
from kubeparcel.packages.architectures import common_name
from kubeparcel.packages.versions import deb_version_key
from kubeparcel.sanitize import printable
from kubeparcel.trust.audit.model import Audit, Exemption, FailOn, Finding, Level, Use

WIDTH = 80
_MEANINGS: Mapping[Level, str] = {
    Level.CALLED: "vulnerable functions are in the binary",
    Level.IMPORTED: "their package is in the binary, without them",
    Level.REQUIRED: "only their module is required",
}


@dataclass(frozen=True)
class Fix:
    """The findings of a module at a version that one newer version fixes; without one, `fixed` is empty."""

    module: str
    version: str
    fixed: str
    findings: tuple[Finding, ...]

    @property
    def title(self) -> str:
        """Return what to do: `golang.org/x/net v0.49.0 → v0.51.0`, or `Go 1.26.7 → 1.26.8`."""
        is_go = self.module in ("stdlib", "toolchain")
        name, version, fixed = (
            ("Go", self.version.removeprefix("v"), self.fixed.removeprefix("v"))
            if is_go
            else (self.module, self.version, self.fixed)
        )
        return f"{name} {version} → {fixed}" if fixed else f"{name} {version}: no fix yet"


def group_by_fix(findings: Sequence[Finding]) -> list[Fix]:
    """Return the counted findings by the module to update; the version is the one that fixes all that have a fix."""
    groups: dict[tuple[str, str, bool], list[Finding]] = {}
    for finding in findings:
        if finding.counted:
            groups.setdefault((finding.module, finding.version, bool(finding.fixed)), []).append(finding)
    return [
        Fix(module, version, max((f.fixed for f in group), key=deb_version_key), tuple(group))
        for (module, version, _), group in sorted(groups.items())
    ]


def as_json(audit: Audit, fail_on: FailOn) -> str:
    """Return the JSON document."""
    document = {
        "passed": not audit.exit_code(fail_on),
        "fail-on": fail_on,
        "database": {"address": audit.database.address, "modified": audit.database.date},
        "scanner": audit.scanner,
        "binaries": audit.binaries,
        "failing": len(audit.failing(fail_on)),
        "fixes": [
            {
                "module": fix.module,
                "version": fix.version,
                "fixed": fix.fixed,
                "findings": [_finding_as_dict(finding, finding.counted) for finding in fix.findings],
            }
            for fix in group_by_fix(audit.findings)
        ],
        "exempted": [
            _finding_as_dict(finding, [*finding.exempted])
            | {"exemptions": [e._asdict() for e in dict.fromkeys(finding.exempted.values())]}
            for finding in audit.findings
            if finding.exempted
        ],
        "not-audited": [_use_as_dict(use) | {"reason": reason} for use, reason in audit.not_audited],
        "remarks": audit.remarks,
    }
    return json.dumps(document, indent=2)


def _finding_as_dict(finding: Finding, uses: Sequence[Use]) -> dict[str, Any]:
    return {
        "vulnerability": finding.vulnerability.id,
        "aliases": finding.vulnerability.aliases,
        "summary": finding.vulnerability.summary,
        "url": finding.vulnerability.url,
        "module": finding.module,
        "version": finding.version,
        "fixed": finding.fixed,
        "level": finding.level,
        "binaries": [_use_as_dict(use) for use in uses],
    }


def _use_as_dict(use: Use) -> dict[str, str]:
    names = ("package", "version", "format", "arch", "path")
    return {name: getattr(use, name) for name in names}


def as_text(audit: Audit, fail_on: FailOn) -> str:
    """Return the text of 80 columns."""
    lines = [
        *_wrap(f"{quantity(audit.binaries, 'binaries')} · {audit.scanner} · database of {audit.database.date}"),
        "",
    ]
    for fix in group_by_fix(audit.findings):
        lines += [fix.title, *_fix_lines(fix), ""]
    lines += [*_exempted_lines(audit), *_notes(audit)]
    return printable("\n".join([*lines, _summary(audit, fail_on)]))


def _fix_lines(fix: Fix) -> Iterator[str]:
    uses = sorted({use for finding in fix.findings for use in finding.counted})
    yield from _wrap(f"in {_packages(uses)}", "  ", "     ")
    for finding in fix.findings:
        vulnerability = finding.vulnerability
        names = ", ".join((vulnerability.id, *vulnerability.aliases))
        yield from _wrap(f"{finding.level:<9} {names}: {vulnerability.summary}", "  ", " " * 12)


def _packages(uses: Sequence[Use]) -> str:
    """Return packages with their versions and architectures, and the binaries of those that have several."""
    groups: dict[tuple[str, str], list[Use]] = {}
    for use in uses:
        groups.setdefault((use.package, use.version), []).append(use)
    labels = []
    for (package, version), members in groups.items():
        formats = "/".join(sorted({use.format for use in members}))
        arches = ", ".join(sorted({common_name(use.arch) for use in members}))
        programs = sorted({use.path.rpartition("/")[2] for use in members})
        binaries = f": {', '.join(programs)}" if programs != [package] else ""
        labels.append(f"{package} {version} ({formats}, {arches}{binaries})")
    return ", ".join(labels)


def _exempted_lines(audit: Audit) -> Iterator[str]:
    exempted = [finding for finding in audit.findings if finding.exempted]
    if exempted:
        yield "Exempted by VEX statements"
    for finding in exempted:
        groups: dict[Exemption, list[Use]] = {}
        for use, exemption in finding.exempted.items():
            groups.setdefault(exemption, []).append(use)
        for exemption, uses in groups.items():
            reason = f"{exemption.status}, {exemption.reason} ({exemption.source})"
            yield from _wrap(f"{finding.vulnerability.id} in {_packages(uses)}: {reason}", "  ", "    ")
    if exempted:
        yield ""


def _notes(audit: Audit) -> Iterator[str]:
    levels = [level for level in Level if any(f.level is level and f.counted for f in audit.findings)]
    notes = [f"{level}: {_MEANINGS[level]}" for level in levels]
    reasons: dict[str, list[Use]] = {}
    for use, reason in audit.not_audited:
        reasons.setdefault(reason, []).append(use)
    notes += [f"not audited: {_packages(uses)}, {reason}" for reason, uses in reasons.items()]
    notes += audit.remarks
    for note in notes:
        yield from _wrap(note, "", "  ")


def _wrap(text: str, first: str = "", rest: str = "") -> list[str]:
    flat = " ".join(text.split())
    return textwrap.wrap(
        flat, WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )


def _summary(audit: Audit, fail_on: FailOn) -> str:
    counted = {finding.vulnerability.id for finding in audit.findings if finding.counted}
    failing = {finding.vulnerability.id for finding in audit.failing(fail_on)}
    found = f"{quantity(len(counted), 'known vulnerabilities')}" if counted else "No known vulnerabilities"
    part = f", {len(failing)} of them with --fail-on {fail_on}" if len(failing) != len(counted) else ""
    return f"{found}{part} · database of {audit.database.date}"
