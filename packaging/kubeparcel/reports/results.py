"""What checks found: one value a check, one a level. Text, JSON and JUnit are made from these.

Imports little: every level and the build use it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be.

    `where` is a path inside the package or on the host, with its line; `look` is what to do.
    """

    expected: str
    found: str
    location: str = ""
    hint: str = ""

    def as_dict(self) -> dict[str, str]:
        """The fields that say something."""
        rows = {"expected": self.expected, "found": self.found}
        rows |= {"where": self.location, "look": self.hint}
        return {name: value for name, value in rows.items() if value}


@dataclass(frozen=True)
class Check:
    """One check of one subject: a package file, or a host. It passed when it found nothing.

    `number` is that of the list in docs, 0 where it has none. Levels that run on a host name it
    in `host`, and keep in `evidence` what they saw (a command, its output, a journal's lines) by
    title. `seconds` is how long the check took, where that is of interest.
    """

    name: str
    subject: str
    number: int = 0
    meaning: str = ""
    findings: tuple[Finding, ...] = ()
    host: str = ""
    seconds: float = 0.0
    evidence: Mapping[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether nothing was wrong."""
        return not self.findings

    def as_dict(self) -> dict[str, Any]:
        """A row of the JSON report."""
        row: dict[str, Any] = {"name": self.name, "subject": self.subject, "passed": self.passed}
        row |= {"number": self.number} if self.number else {}
        row |= {"host": self.host} if self.host else {}
        row |= {"seconds": round(self.seconds, 2)} if self.seconds else {}
        row |= {"meaning": self.meaning} if self.meaning and self.findings else {}
        row |= {"findings": [one.as_dict() for one in self.findings]} if self.findings else {}
        row |= {"evidence": dict(self.evidence)} if self.evidence else {}
        return row


@dataclass(frozen=True)
class CheckedPackage:
    """A package file that was looked at, as it calls itself; the version has its revision."""

    file: str
    name: str
    version: str
    arch: str
    format: str


@dataclass(frozen=True)
class Report:
    """All checks of one level. `not_run` says why there are none: an earlier level failed.

    `where` are the hosts and the engine in words; `packages` are those that could be read.
    """

    level: str
    checks: tuple[Check, ...] = ()
    seconds: float = 0.0
    not_run: str = ""
    environment: str = ""
    packages: tuple[CheckedPackage, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the level ran and every check passed."""
        return not self.not_run and not self.failed

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if not check.passed)

    @property
    def exit_code(self) -> int:
        """0 when it passed, else 1."""
        return 0 if self.passed else 1

    @property
    def checks_by_subject(self) -> dict[tuple[str, str], tuple[Check, ...]]:
        """The checks by host and package, in their order."""
        found: dict[tuple[str, str], list[Check]] = {}
        for check in self.checks:
            found.setdefault((check.host, check.subject), []).append(check)
        return {subject: tuple(checks) for subject, checks in found.items()}

    @property
    def summary(self) -> str:
        """`10 packages, 214 checks, all pass`, the line a build prints."""
        ends = f"{len(self.failed)} fail" if self.failed else "all pass"
        return f"{len(self.checks_by_subject)} packages, {len(self.checks)} checks, {ends}"

    def as_dict(self) -> dict[str, Any]:
        """The JSON report."""
        return {
            "level": self.level,
            "passed": self.passed,
            "count": len(self.checks),
            "failed": len(self.failed),
            "seconds": round(self.seconds, 2),
            **({"not-run": self.not_run} if self.not_run else {}),
            **({"where": self.environment} if self.environment else {}),
            **({"packages": [asdict(one) for one in self.packages]} if self.packages else {}),
            "checks": [check.as_dict() for check in self.checks],
        }

    def as_json(self) -> str:
        """The one document of `--json`."""
        return json.dumps(self.as_dict(), indent=2)

    def as_text(self) -> str:
        """For people, as standard output can show it."""
        return as_text([self])

    def write_junit(self, path: Path) -> None:
        """For CI: JUnit XML, a test suite for each package."""
        write_junit([self], path)


def as_text(reports: Sequence[Report]) -> str:
    """One line a level, and under it whatever failed; fits what standard output can show."""
    from kubeparcel.reports.text import TextStyle, render_text

    return render_text(reports, TextStyle.for_stdout())


def write_junit(reports: Sequence[Report], path: Path) -> None:
    """One JUnit XML file for several levels; raises DiskError."""
    from kubeparcel.reports.junit import render_junit

    _write(render_junit(reports), path)


def write_html(reports: Sequence[Report], started: datetime, path: Path) -> None:
    """One page for several levels; raises DiskError."""
    from kubeparcel.reports.html import render_html

    _write(render_html(reports, started).encode(), path)


def _write(data: bytes, path: Path) -> None:
    from kubeparcel.files import atomic_write, translate_os_errors

    if path.exists() and not path.is_file():  # a pipe, or /dev/stdout, cannot be replaced
        with translate_os_errors(path):
            path.write_bytes(data)
        return
    with atomic_write(path) as part:
        part.write_bytes(data)
