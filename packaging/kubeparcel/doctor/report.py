"""What an examination of a repository came to: for people, as JSON, as JUnit XML."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubeparcel.console import duration, quantity
from kubeparcel.doctor.findings import Examined, checks
from kubeparcel.reports.results import Check, Finding, Report
from kubeparcel.reports.text import TextStyle

_SHOWN = 3
_WIDEST = 28


@dataclass(frozen=True)
class Diagnosis:
    """`where` the repository is, what was examined, whether its package files were left out."""

    where: str
    examined: Sequence[Examined]
    seconds: float
    quick: bool = False

    @property
    def report(self) -> Report:
        """All checks, as other reports have them."""
        rows = tuple(check for one in self.examined for check in checks(one))
        return Report("doctor", rows, self.seconds)

    @property
    def exit_code(self) -> int:
        """0 when nothing is wrong, else 1; remarks change nothing."""
        return self.report.exit_code

    @property
    def failed(self) -> dict[str, set[str]]:
        """The names of the checks that failed, by subject."""
        found: dict[str, set[str]] = {}
        for check in self.report.failed:
            found.setdefault(check.subject, set()).add(check.name)
        return found

    def as_json(self) -> str:
        """The one document of `--json`."""
        report = self.report
        document: dict[str, Any] = {
            "repository": self.where,
            "passed": report.passed,
            "quick": self.quick,
            "packages": sum(len(one.packages) for one in self.examined),
            "bytes": sum(one.size for one in self.examined),
            "count": len(report.checks),
            "failed": len(report.failed),
            "seconds": round(self.seconds, 2),
            "subjects": [_row(one) for one in self.examined],
        }
        return json.dumps(document, indent=2)

    def write_junit(self, path: Path) -> None:
        """For CI: a test suite for each subject."""
        self.report.write_junit(path)

    def as_text(self, style: TextStyle | None = None) -> str:
        """For people."""
        used = style or TextStyle.for_stdout()
        width = min(max(len(one.subject) for one in self.examined), _WIDEST)
        lines = [line for one in self.examined for line in _subject(one, width, used)]
        return used.replace_unencodable("\n".join((*lines, *self._remarks(), self._end())))

    def _remarks(self) -> Iterator[str]:
        """Each remark once, with those it is about."""
        about: dict[str, list[str]] = {}
        for one in self.examined:
            for text in one.remarks:
                about.setdefault(text, []).append(one.subject)
        for text, who in about.items():
            more = f" and {len(who) - _SHOWN} more" if len(who) > _SHOWN else ""
            yield f"  remark  {', '.join(who[:_SHOWN])}{more}: {text}"

    def _end(self) -> str:
        report = self.report
        packages = sum(len(one.packages) for one in self.examined)
        size = quantity(sum(one.size for one in self.examined), "B")
        read = "not read (--quick)" if self.quick else f"{size} read"
        ends = f"{len(report.failed)} fail" if report.failed else "all pass"
        remarks = len({text for one in self.examined for text in one.remarks})
        noted = f" · {remarks} remark{'s' if remarks > 1 else ''}" if remarks else ""
        return (
            f"{self.where} · {packages:,} packages, {read} · "
            f"{len(report.checks)} checks, {ends}{noted} · {duration(self.seconds)}"
        )


def _row(one: Examined) -> dict[str, Any]:
    rows = tuple(checks(one))
    return {
        "subject": one.subject,
        "passed": all(check.passed for check in rows),
        "packages": len(one.packages),
        "bytes": one.size,
        "checks": [check.as_dict() for check in rows],
        "remarks": one.remarks,
    }


def _subject(one: Examined, width: int, style: TextStyle) -> Iterator[str]:
    rows = tuple(checks(one))
    bad = [check for check in rows if not check.passed]
    mark = style.failed_mark if bad else style.passed_mark
    count = f"{len(bad)} of {len(rows)} checks fail" if bad else f"{len(rows)} checks"
    count = count if len(rows) > 1 or bad else "1 check"
    size = f", {quantity(one.size, 'B')}" if one.size else ""
    about = f" · {one.about}" if one.about else ""
    many = f" · {len(one.packages):,} packages{size}" if one.packages else ""
    yield f"  {one.subject:<{width}}  {mark} {count}{many}{about}"
    for check in bad:
        yield from (f"{'':{width + 4}}{line}" for line in _failure(check, style))


def _failure(check: Check, style: TextStyle) -> Iterator[str]:
    number = f" ({check.number})" if check.number else ""
    yield f"{style.failed_mark} {check.name}{number}: {check.meaning}"
    for finding in check.findings[:_SHOWN]:
        yield from _finding(finding)
    more = len(check.findings) - _SHOWN
    if more > 0:
        yield f"  … and {more} more (--json has them)"
    for look in dict.fromkeys(one.hint for one in check.findings if one.hint):
        yield f"  {'do':<9}{look}"


def _finding(finding: Finding) -> Iterator[str]:
    rows = (("expected", finding.expected), ("found", finding.found), ("where", finding.location))
    for name, text in rows:
        if text:
            yield f"  {name:<9}{text}"
