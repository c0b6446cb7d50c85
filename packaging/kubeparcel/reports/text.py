"""A report for people: a line for each level, and for each failure what to know and to do."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TextIO

from kubeparcel.console import duration
from kubeparcel.reports.results import Check, Finding, Report
from kubeparcel.sanitize import printable

INDENT = 11
SECONDS = 66
"""The column that times are aligned to."""

SHOWN = 3
"""Of so many findings of one check all is said; JSON has the rest."""

_ASCII = str.maketrans(
    {"✓": "ok", "✗": "FAIL", "·": "-", "–": "-", "…": "...", "≤": "<=", "≥": ">="}
)


@dataclass(frozen=True)
class TextStyle:
    """What the reader's terminal can show."""

    colour: bool = False
    encoding: str = "utf-8"

    @classmethod
    def for_stream(cls, stream: TextIO) -> TextStyle:
        """Colours on a terminal unless NO_COLOR is set (no-color.org); the stream's encoding."""
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        return cls(stream.isatty() and not plain, stream.encoding or "ascii")

    @classmethod
    def for_stdout(cls) -> TextStyle:
        """The style of standard output."""
        return cls.for_stream(sys.stdout)

    @property
    def passed_mark(self) -> str:
        """The mark of what passed."""
        return "\x1b[32m✓\x1b[0m" if self.colour else "✓"

    @property
    def failed_mark(self) -> str:
        """The mark of what did not."""
        return "\x1b[31m✗\x1b[0m" if self.colour else "✗"

    def replace_unencodable(self, text: str) -> str:
        """The text in the characters that the encoding has."""
        try:
            text.encode(self.encoding)
        except UnicodeEncodeError:
            ascii_ = text.translate(_ASCII)
            return ascii_.encode(self.encoding, "replace").decode(self.encoding)
        return text


def render_text(reports: Sequence[Report], style: TextStyle) -> str:
    """The whole text, without a newline at its end."""
    return style.replace_unencodable(
        "\n".join(line for report in reports for line in _level(report, style))
    )


def _level(report: Report, style: TextStyle) -> Iterator[str]:
    label = f"  {report.level:<{INDENT - 2}}"
    if report.not_run:
        yield f"{label}– not run: {report.not_run}"
        return
    summary = "   ".join(_host(report, host, style) for host in _hosts(report))
    width = len(summary) - (style.colour and 9 * summary.count("\x1b[0m"))
    padding = " " * max(3, SECONDS - INDENT - width)
    yield f"{label}{summary}{padding}{duration(report.seconds)}"
    failures = sorted(report.failed, key=lambda check: (check.host, check.subject))
    for (host, subject), checks in groupby(failures, lambda check: (check.host, check.subject)):
        where = " · ".join(word for word in (host, subject) if word)
        yield f"{'':{INDENT}}{printable(where)}"
        for check in checks:
            yield from (f"{'':{INDENT}}{line}" for line in _failure(check, style))


def _hosts(report: Report) -> list[str]:
    return list(dict.fromkeys(check.host for check in report.checks)) or [""]


def _host(report: Report, host: str, style: TextStyle) -> str:
    """`✓ 214 checks`, `✗ 26 of 27 checks`; on a host `✓ trixie 41`, `✗ trixie 26 of 27`."""
    checks = [check for check in report.checks if check.host == host]
    good = sum(check.passed for check in checks)
    mark = style.passed_mark if good == len(checks) else style.failed_mark
    count = f"{good}" if good == len(checks) else f"{good} of {len(checks)}"
    return f"{mark} {host} {count}" if host else f"{mark} {count} checks"


def _failure(check: Check, style: TextStyle) -> Iterator[str]:
    number = f" ({check.number})" if check.number else ""
    yield (
        f"{style.failed_mark} {check.name}{number}: {check.meaning}"
        if check.meaning
        else (f"{style.failed_mark} {check.name}{number}")
    )
    for finding in check.findings[:SHOWN]:
        yield from _finding(finding)
    more = len(check.findings) - SHOWN
    if more > 0:
        yield f"  … and {more} more (--json has them all)"
    looks = dict.fromkeys(finding.hint for finding in check.findings if finding.hint)
    for look in looks:
        yield from _row("do", look)


def _finding(finding: Finding) -> Iterator[str]:
    yield from _row("expected", finding.expected)
    yield from _row("found", finding.found)
    if finding.location:
        yield from _row("where", finding.location)


def _row(name: str, text: str) -> Iterator[str]:
    first, *rest = printable(text).splitlines() or [""]
    yield f"  {name:<9}{first}"
    yield from (f"{'':{INDENT}}{line}" for line in rest)
