"""How a proof leaves the program: files, words for GitHub, and the line that names the files."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kubeparcel.console import Log
from kubeparcel.errors import DiskError
from kubeparcel.files import translate_os_errors
from kubeparcel.reports import github

if TYPE_CHECKING:
    from kubeparcel.verify.levels import VerifyResult

REPORT_NAMES = HTML_NAME, JUNIT_NAME = "verify.html", "verify.xml"
"""What the reports are called in the output folder."""

EXIT_CODE_COLUMN = 66
"""The column that the exit code is aligned to, below the times."""


@dataclass(frozen=True)
class ReportFiles:
    """Where a proof's reports go; None is nowhere. The names are shown as seen from `base`."""

    base: Path
    html: Path | None = None
    junit: Path | None = None

    @classmethod
    def requested(cls, base: Path, out: str, level: str, html: str, junit: str) -> ReportFiles:
        """Those that were asked for; a level on hosts leaves both, in the output folder."""
        if level != "layout":
            html, junit = html or f"{out}/{HTML_NAME}", junit or f"{out}/{JUNIT_NAME}"
        return cls(base, base / html if html else None, base / junit if junit else None)


@dataclass(frozen=True)
class WrittenReports:
    """What a proof left: the files in words, and the exit code."""

    names: tuple[str, ...]
    exit_code: int

    @property
    def summary_line(self) -> str:
        """`report: dist/verify.html · dist/verify.xml (JUnit)   exit 1`, or nothing."""
        if not self.names:
            return ""
        named = f"report: {' · '.join(self.names)}"
        return f"{named:<{EXIT_CODE_COLUMN - 1}} exit {self.exit_code}" if self.exit_code else named

    def with_summary_line(self, text: str) -> str:
        """The text for standard output, the line below it."""
        shown = f"{text}\n{self.summary_line}" if self.summary_line else text
        return github.escape_workflow_commands(shown) if github.in_github_actions() else shown


def write_reports(proof: VerifyResult, files: ReportFiles, log: Log) -> WrittenReports:
    """Write the files, and what GitHub wants to know.

    A file that cannot be written costs neither the others nor the result: there is a warning, and
    the exit code is not 0.
    """
    written: list[str] = []
    code = proof.exit_code
    rows: list[tuple[Path | None, str, Callable[[Path], None]]] = [
        (files.html, "", proof.write_html),
        (files.junit, " (JUnit)", proof.write_junit),
        (_summary(), "", lambda path: github.append_summary(proof.reports, path)),
    ]
    for path, kind, write in rows:
        try:
            if path:
                with translate_os_errors(path):
                    write(path)
                written += [f"{_shown(path, files.base)}{kind}"] if path != _summary() else []
        except DiskError as error:
            log.warn(str(error))
            code = code or error.exit_code
    for line in github.error_annotations(proof.reports) if github.in_github_actions() else ():
        print(line, file=sys.stderr, flush=True)
    return WrittenReports(tuple(written), code)


def _summary() -> Path | None:
    """The file for GitHub's summary of a step."""
    named = os.environ.get("GITHUB_STEP_SUMMARY")
    return Path(named) if named and github.in_github_actions() else None


def _shown(path: Path, base: Path) -> str:
    return str(path.relative_to(base)) if path.is_relative_to(base) else str(path)
