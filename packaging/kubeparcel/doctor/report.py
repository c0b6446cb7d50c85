"""The report of an examination, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kubeparcel.console import duration, quantity
from kubeparcel.doctor.findings import Subject
from kubeparcel.reports.results import Report
from kubeparcel.reports.text import TextStyle, failure_lines

_MAX_NAMES = 3
_MAX_NAME_WIDTH = 28


@dataclass(frozen=True)
class DoctorReport:
    """The subjects of the repository at `location`; with `quick` package files were not read."""

    location: str
    subjects: Sequence[Subject]
    seconds: float
    quick: bool = False

    @property
    def report(self) -> Report:
        """Return all checks as the report of a level, for JUnit and the exit code."""
        checks = tuple(check for subject in self.subjects for check in subject.checks)
        return Report("doctor", checks, self.seconds)

    @property
    def exit_code(self) -> int:
        """Return 0 if all checks pass, otherwise 1; remarks do not count."""
        return self.report.exit_code

    @property
    def failed_checks(self) -> dict[str, set[str]]:
        """Return the names of the failed checks by subject."""
        failed: dict[str, set[str]] = {}
        for check in self.report.failed:
            failed.setdefault(check.subject, set()).add(check.name)
        return failed

    def as_json(self) -> str:
        """Return the document of `--json`."""
        report = self.report
        document: dict[str, Any] = {
            "repository": self.location,
            "passed": report.passed,
            "quick": self.quick,
            "packages": self._package_count,
            "bytes": self._bytes_read,
            "count": len(report.checks),
            "failed": len(report.failed),
            "seconds": round(self.seconds, 2),
            "subjects": [_subject_as_dict(subject) for subject in self.subjects],
        }
        return json.dumps(document, indent=2)

    def as_text(self, style: TextStyle | None = None) -> str:
        """Return the text for a terminal or a log, without a newline at its end."""
        style = style or TextStyle.for_stdout()
        width = min(max(len(subject.name) for subject in self.subjects), _MAX_NAME_WIDTH)
        lines = [
            line for subject in self.subjects for line in _subject_lines(subject, width, style)
        ]
        return style.replace_unencodable("\n".join((*lines, *self._remarks(), self._summary())))

    @property
    def _package_count(self) -> int:
        return sum(len(subject.packages) for subject in self.subjects)

    @property
    def _bytes_read(self) -> int:
        return sum(subject.bytes_read for subject in self.subjects)

    def _remarks(self) -> Iterator[str]:
        """Yield each remark once, with the names of its subjects."""
        names_by_remark: dict[str, list[str]] = {}
        for subject in self.subjects:
            for text in subject.remarks:
                names_by_remark.setdefault(text, []).append(subject.name)
        for text, names in names_by_remark.items():
            more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
            yield f"  remark  {', '.join(names[:_MAX_NAMES])}{more}: {text}"

    def _summary(self) -> str:
        report = self.report
        read = "not read (--quick)" if self.quick else f"{quantity(self._bytes_read, 'B')} read"
        failed = f"{len(report.failed)} fail" if report.failed else "all pass"
        remarks = len({text for subject in self.subjects for text in subject.remarks})
        counted = f" · {remarks} remark{'s' if remarks > 1 else ''}" if remarks else ""
        return (
            f"{self.location} · {self._package_count:,} packages, {read} · "
            f"{len(report.checks)} checks, {failed}{counted} · {duration(self.seconds)}"
        )


def _subject_as_dict(subject: Subject) -> dict[str, Any]:
    checks = subject.checks
    return {
        "subject": subject.name,
        "passed": all(check.passed for check in checks),
        "packages": len(subject.packages),
        "bytes": subject.bytes_read,
        "checks": [check.as_dict() for check in checks],
        "remarks": subject.remarks,
    }


def _subject_lines(subject: Subject, width: int, style: TextStyle) -> Iterator[str]:
    checks = subject.checks
    failed = [check for check in checks if not check.passed]
    mark = style.failed_mark if failed else style.passed_mark
    count = f"{len(checks)} check{'' if len(checks) == 1 else 's'}"
    if failed:
        count = f"{len(failed)} of {len(checks)} checks fail"
    size = f", {quantity(subject.bytes_read, 'B')}" if subject.bytes_read else ""
    packages = f" · {len(subject.packages):,} packages{size}" if subject.packages else ""
    description = f" · {subject.description}" if subject.description else ""
    yield f"  {subject.name:<{width}}  {mark} {count}{packages}{description}"
    for check in failed:
        yield from (f"{'':{width + 4}}{line}" for line in failure_lines(check, style))
