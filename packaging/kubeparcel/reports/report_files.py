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

NAMES = HTML, JUNIT = "verify.html", "verify.xml"
"""What the reports are called in the output folder."""

EXIT = 66
"""The column that the exit code is aligned to, below the times."""


@dataclass(frozen=True)
class Files:
    """Where a proof's reports go; None is nowhere. The names are shown as seen from `base`."""

    base: Path
    html: Path | None = None
    junit: Path | None = None

    @classmethod
    def wanted(cls, base: Path, out: str, level: str, html: str, junit: str) -> Files:
        """Those that were asked for; a level on hosts leaves both, in the output folder."""
        if level != "layout":
            html, junit = html or f"{out}/{HTML}", junit or f"{out}/{JUNIT}"
        return cls(base, base / html if html else None, base / junit if junit else None)


@dataclass(frozen=True)
class Left:
    """What a proof left: the files in words, and the exit code."""

    files: tuple[str, ...]
    exit_code: int

    @property
    def line(self) -> str:
        """`report: dist/verify.html · dist/verify.xml (JUnit)   exit 1`, or nothing."""
        if not self.files:
            return ""
        named = f"report: {' · '.join(self.files)}"
        return f"{named:<{EXIT - 1}} exit {self.exit_code}" if self.exit_code else named

    def under(self, text: str) -> str:
        """The text for standard output, the line below it."""
        shown = f"{text}\n{self.line}" if self.line else text
        return github.harmless(shown) if github.here() else shown


def leave(proof: VerifyResult, files: Files, log: Log) -> Left:
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
    for line in github.errors(proof.reports) if github.here() else ():
        print(line, file=sys.stderr, flush=True)
    return Left(tuple(written), code)


def _summary() -> Path | None:
    """The file for GitHub's summary of a step."""
    named = os.environ.get("GITHUB_STEP_SUMMARY")
    return Path(named) if named and github.here() else None


def _shown(path: Path, base: Path) -> str:
    return str(path.relative_to(base)) if path.is_relative_to(base) else str(path)
