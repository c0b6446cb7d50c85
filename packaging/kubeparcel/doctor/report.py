"""The report of an examination, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kubeparcel.console import duration, first_names, quantity
from kubeparcel.doctor.findings import NO_KEY, Subject
from kubeparcel.reports.results import Check, CheckState, Report, count_states
from kubeparcel.reports.text import TextStyle, failure_lines
from kubeparcel.sanitize import one_line

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
            "files": self._file_count,
            "bytes": self._bytes_read,
            "count": len(report.checks),
            "failed": len(report.failed),
            "not-run": report.checks_not_run,
            "seconds": round(self.seconds, 2),
            "subjects": [_subject_as_dict(subject) for subject in self.subjects],
        }
        return json.dumps(document, indent=2)

    def as_text(self, style: TextStyle | None = None) -> str:
        """Return the text for a terminal or a log, without a newline at its end."""
        style = style or TextStyle.for_stdout()
        width = min(max(len(one_line(subject.name)) for subject in self.subjects), _MAX_NAME_WIDTH)
        lines = [line for subject in self.subjects for line in _subject_lines(subject, width, style)]
        lines += [*self._not_run(), *self._remarks(), self._summary()]
        return style.replace_unencodable("\n".join(lines))

    @property
    def _package_count(self) -> int:
        """Return the number of packages; one that several suites list is counted once."""
        packages = (package for subject in self.subjects for package in subject.packages)
        return len({(package.identity, package.sha256) for package in packages})

    @property
    def _file_count(self) -> int:
        return len(set().union(*(subject.file_paths for subject in self.subjects)))

    @property
    def _bytes_read(self) -> int:
        """Return what was read of package files; each file is read once."""
        sizes: dict[str, int] = {}
        for subject in self.subjects:
            sizes |= subject.bytes_by_path
        return sum(sizes.values())

    def _remarks(self) -> Iterator[str]:
        """Yield each remark once, with the names of its subjects."""
        names_by_remark: dict[str, list[str]] = {}
        for subject in self.subjects:
            for text in subject.remarks:
                names_by_remark.setdefault(text, []).append(subject.name)
        for text, names in names_by_remark.items():
            yield f"  remark   {one_line(first_names(names))}: {one_line(text)}"

    def _not_run(self) -> Iterator[str]:
        """Yield for each reason the checks that did not run, with the names of their subjects."""
        checks_by_reason: dict[str, list[Check]] = {}
        for check in self.report.checks:
            if check.state is CheckState.NOT_RUN:
                checks_by_reason.setdefault(check.not_run, []).append(check)
        for reason, checks in checks_by_reason.items():
            subjects = list(dict.fromkeys(check.subject for check in checks))
            names = ", ".join(dict.fromkeys(check.name for check in checks))
            yield f"  not run  {one_line(first_names(subjects))}: {names} ({one_line(reason)})"

    def _summary(self) -> str:
        report = self.report
        read = "not read (--quick)" if self.quick else f"{quantity(self._bytes_read, 'B')} read"
        files = f" in {self._file_count:,} files" if self._file_count != self._package_count else ""
        remarks = len({text for subject in self.subjects for text in subject.remarks})
        counted = f" · {quantity(remarks, 'remarks')}" if remarks else ""
        return (
            f"{one_line(self.location)} · {self._package_count:,} packages{files}, {read} · "
            f"{_describe_counts(report.checks, 'all pass')}{counted} · {duration(self.seconds)}"
        )


def _describe_counts(checks: Sequence[Check], all_pass: str = "") -> str:
    """Return `12 checks`, `12 checks: 10 pass, 1 fail, 1 not run` or `1 check, failed`."""
    counts = count_states(checks)
    total = quantity(len(checks), "checks")
    if counts[CheckState.PASSED] == len(checks):
        return f"{total}, {all_pass}" if all_pass else total
    if len(checks) == 1:
        return f"{total}, {'failed' if counts[CheckState.FAILED] else 'not run'}"
    verbs = {CheckState.PASSED: "pass", CheckState.FAILED: "fail", CheckState.NOT_RUN: "not run"}
    parts = (f"{counts[state]:,} {verb}" for state, verb in verbs.items() if counts[state])
    return f"{total}: {', '.join(parts)}"


def _state(checks: Sequence[Check]) -> CheckState:
    """Return the state of a subject: `not-run` if no check ran, or no signature was verified."""
    counts = count_states(checks)
    if counts[CheckState.FAILED]:
        return CheckState.FAILED
    unverified = any(check.not_run == NO_KEY for check in checks)
    return CheckState.NOT_RUN if unverified or not counts[CheckState.PASSED] else CheckState.PASSED


def _subject_as_dict(subject: Subject) -> dict[str, Any]:
    checks = subject.checks
    state = _state(checks)
    return {
        "subject": subject.name,
        "passed": state is CheckState.PASSED,
        "state": state,
        "packages": len(subject.packages),
        "bytes": subject.bytes_read,
        "checks": [check.as_dict() | {"state": check.state} for check in checks],
        "remarks": subject.remarks,
    }


def _subject_lines(subject: Subject, width: int, style: TextStyle) -> Iterator[str]:
    checks = subject.checks
    failed = [check for check in checks if check.state is CheckState.FAILED]
    marks = {CheckState.PASSED: style.passed_mark, CheckState.FAILED: style.failed_mark}
    mark = marks.get(_state(checks), "–")
    count = _describe_counts(checks)
    size = f", {quantity(subject.bytes_read, 'B')}" if subject.bytes_read else ""
    packages = f" · {len(subject.packages):,} packages{size}" if subject.packages else ""
    description = f" · {one_line(subject.description)}" if subject.description else ""
    yield f"  {one_line(subject.name):<{width}}  {mark} {count}{packages}{description}"
    for check in failed:
        yield from (f"{'':{width + 4}}{line}" for line in failure_lines(check, style))
