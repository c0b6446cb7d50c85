"""What an examination of a repository came to: for people, as JSON, as JUnit XML."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kubeparcel.console import duration, quantity
from kubeparcel.doctor.findings import Subject, checks
from kubeparcel.reports.results import Report
from kubeparcel.reports.text import TextStyle, failure_lines

_SHOWN = 3
_WIDEST = 28


@dataclass(frozen=True)
class DoctorReport:
    """`where` the repository is, what was examined, whether its package files were left out."""

    location: str
    subjects: Sequence[Subject]
    seconds: float
    quick: bool = False

    @property
    def report(self) -> Report:
        """All checks, as other reports have them."""
        rows = tuple(check for one in self.subjects for check in checks(one))
        return Report("doctor", rows, self.seconds)

    @property
    def exit_code(self) -> int:
        """0 when nothing is wrong, else 1; remarks change nothing."""
        return self.report.exit_code

    @property
    def failed_checks(self) -> dict[str, set[str]]:
        """The names of the checks that failed, by subject."""
        found: dict[str, set[str]] = {}
        for check in self.report.failed:
            found.setdefault(check.subject, set()).add(check.name)
        return found

    def as_json(self) -> str:
        """The one document of `--json`."""
        report = self.report
        document: dict[str, Any] = {
            "repository": self.location,
            "passed": report.passed,
            "quick": self.quick,
            "packages": sum(len(one.packages) for one in self.subjects),
            "bytes": sum(one.bytes_read for one in self.subjects),
            "count": len(report.checks),
            "failed": len(report.failed),
            "seconds": round(self.seconds, 2),
            "subjects": [_row(one) for one in self.subjects],
        }
        return json.dumps(document, indent=2)

    def as_text(self, style: TextStyle | None = None) -> str:
        """For people."""
        used = style or TextStyle.for_stdout()
        width = min(max(len(one.name) for one in self.subjects), _WIDEST)
        lines = [line for one in self.subjects for line in _subject(one, width, used)]
        return used.replace_unencodable("\n".join((*lines, *self._remarks(), self._end())))

    def _remarks(self) -> Iterator[str]:
        """Each remark once, with those it is about."""
        about: dict[str, list[str]] = {}
        for one in self.subjects:
            for text in one.remarks:
                about.setdefault(text, []).append(one.name)
        for text, who in about.items():
            more = f" and {len(who) - _SHOWN} more" if len(who) > _SHOWN else ""
            yield f"  remark  {', '.join(who[:_SHOWN])}{more}: {text}"

    def _end(self) -> str:
        report = self.report
        packages = sum(len(one.packages) for one in self.subjects)
        size = quantity(sum(one.bytes_read for one in self.subjects), "B")
        read = "not read (--quick)" if self.quick else f"{size} read"
        ends = f"{len(report.failed)} fail" if report.failed else "all pass"
        remarks = len({text for one in self.subjects for text in one.remarks})
        noted = f" · {remarks} remark{'s' if remarks > 1 else ''}" if remarks else ""
        return (
            f"{self.location} · {packages:,} packages, {read} · "
            f"{len(report.checks)} checks, {ends}{noted} · {duration(self.seconds)}"
        )


def _row(one: Subject) -> dict[str, Any]:
    rows = tuple(checks(one))
    return {
        "subject": one.name,
        "passed": all(check.passed for check in rows),
        "packages": len(one.packages),
        "bytes": one.bytes_read,
        "checks": [check.as_dict() for check in rows],
        "remarks": one.remarks,
    }


def _subject(one: Subject, width: int, style: TextStyle) -> Iterator[str]:
    rows = tuple(checks(one))
    bad = [check for check in rows if not check.passed]
    mark = style.failed_mark if bad else style.passed_mark
    count = f"{len(bad)} of {len(rows)} checks fail" if bad else f"{len(rows)} checks"
    count = count if len(rows) > 1 or bad else "1 check"
    size = f", {quantity(one.bytes_read, 'B')}" if one.bytes_read else ""
    about = f" · {one.description}" if one.description else ""
    many = f" · {len(one.packages):,} packages{size}" if one.packages else ""
    yield f"  {one.name:<{width}}  {mark} {count}{many}{about}"
    for check in bad:
        yield from (f"{'':{width + 4}}{line}" for line in failure_lines(check, style))
