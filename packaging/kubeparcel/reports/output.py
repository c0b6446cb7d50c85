"""Writes reports: text for standard output, JSON, files, and annotations on GitHub."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from kubeparcel.console import Log
from kubeparcel.errors import DiskError, UsageError
from kubeparcel.files import atomic_write, translate_os_errors
from kubeparcel.program_name import with_program_name
from kubeparcel.reports import github
from kubeparcel.reports.html import render_html
from kubeparcel.reports.junit import render_junit
from kubeparcel.reports.results import Check, Report
from kubeparcel.reports.text import TextStyle, render_text

REPORT_NAMES = HTML_NAME, JUNIT_NAME = "verify.html", "verify.xml"
"""The names of the reports in the output folder."""

EXIT_CODE_COLUMN = 66
"""The column of the exit code: the times of the levels are aligned to it too."""


def as_text(reports: Sequence[Report]) -> str:
    """Return a line for each level, followed by its failures, in a style for standard output."""
    return render_text(reports, TextStyle.for_stdout())


def as_json(reports: Sequence[Report]) -> str:
    """Return one JSON document: a single level's report, or several under `levels`."""
    if len(reports) == 1:
        return json.dumps(reports[0].as_dict(), indent=2)
    document = {
        "passed": not any(report.exit_code for report in reports),
        "not-run": [report.level for report in reports if report.not_run],
        "levels": [report.as_dict() for report in reports],
    }
    return json.dumps(document, indent=2)


def write_junit(reports: Sequence[Report], path: Path) -> None:
    """Write the reports as one JUnit XML file. Raises DiskError."""
    write_file(render_junit(name_program(reports)), path)


def write_html(reports: Sequence[Report], started: datetime, path: Path) -> None:
    """Write the reports as one self-contained HTML page. Raises DiskError."""
    write_file(render_html(name_program(reports), started).encode(), path)


def name_program(reports: Sequence[Report]) -> list[Report]:
    """Return the reports with hints that name the program as it was started."""
    return [replace(report, checks=tuple(map(_name_program, report.checks))) for report in reports]


def _name_program(check: Check) -> Check:
    return replace(check, findings=tuple(replace(f, hint=with_program_name(f.hint)) for f in check.findings))


def require_writable(path: Path, option: str) -> None:
    """Raise UsageError if the report of an option is a folder, DiskError if it cannot be created."""
    if path.is_dir():
        raise UsageError(f"{option} {path} is a folder.", f"Name a file: {option} {path}/{JUNIT_NAME}")
    if path.exists() and not path.is_file():  # a pipe, or /dev/stdout
        return
    try:
        with tempfile.TemporaryFile(dir=next(folder for folder in path.parents if folder.exists())):
            pass
    except OSError as error:
        hint = "Name a file in a folder that you can write to."
        raise DiskError(f"{option} {path}: {error.strerror}.", hint) from None


def write_file(data: bytes, path: Path) -> None:
    """Write a report, atomically unless its path is a pipe or a device. Raises DiskError."""
    if path.exists() and not path.is_file():  # a pipe, or /dev/stdout, cannot be replaced
        with translate_os_errors(path):
            path.write_bytes(data)
        return
    with atomic_write(path) as part:
        part.write_bytes(data)


@dataclass(frozen=True)
class ReportFiles:
    """The report files to write; None means not requested. Names are shown relative to `base`."""

    base: Path
    html: Path | None = None
    junit: Path | None = None

    def require_writable(self) -> None:
        """Raise UsageError or DiskError if a report cannot be written: hours of work may precede it."""
        for option, path in (("--html", self.html), ("--junit", self.junit)):
            if path:
                require_writable(path, option)
        if self.html and self.html == self.junit:
            raise UsageError(f"--html and --junit are the same file: {_relative(self.html, self.base)}.")

    @classmethod
    def requested(cls, base: Path, out: str, on_hosts: bool, html: str, junit: str) -> ReportFiles:
        """Return the requested files; levels that run on hosts always write both, below `out`."""
        if on_hosts:
            html, junit = html or f"{out}/{HTML_NAME}", junit or f"{out}/{JUNIT_NAME}"
        return cls(base, base / html if html else None, base / junit if junit else None)


@dataclass(frozen=True)
class WrittenReports:
    """The names of the files that were written, and the exit code."""

    names: tuple[str, ...]
    exit_code: int

    @property
    def summary_line(self) -> str:
        """Return `report: dist/verify.html · dist/verify.xml (JUnit)   exit 1`, or nothing."""
        if not self.names:
            return ""
        line = f"report: {' · '.join(self.names)}"
        return f"{line:<{EXIT_CODE_COLUMN - 1}} exit {self.exit_code}" if self.exit_code else line

    def with_summary_line(self, text: str) -> str:
        complete = f"{text}\n{self.summary_line}" if self.summary_line else text
        return github.escape_workflow_commands(complete) if github.in_github_actions() else complete


def write_reports(reports: Sequence[Report], started: datetime, files: ReportFiles, log: Log) -> WrittenReports:
    """Write the report files; on GitHub, also the step summary and annotations.

    A file that cannot be written is a warning and makes the exit code non-zero; the other files are still written.
    """
    names: list[str] = []
    exit_code = max(report.exit_code for report in reports)
    summary = github.summary_file()
    writers: list[tuple[Path | None, str, Callable[[Path], None]]] = [
        (files.html, "", lambda path: write_html(reports, started, path)),
        (files.junit, " (JUnit)", lambda path: write_junit(reports, path)),
        (summary, "", lambda path: github.append_summary(name_program(reports), path)),
    ]
    for path, suffix, write in writers:
        if path is None:
            continue
        try:
            with translate_os_errors(path):
                write(path)
        except DiskError as error:
            log.warn(str(error))
            exit_code = exit_code or error.exit_code
        else:
            names += [f"{_relative(path, files.base)}{suffix}"] if path != summary else []
    for line in github.error_annotations(name_program(reports)) if github.in_github_actions() else ():
        print(line, file=sys.stderr, flush=True)
    return WrittenReports(tuple(names), exit_code)


def _relative(path: Path, base: Path) -> str:
    return str(path.relative_to(base)) if path.is_relative_to(base) else str(path)
