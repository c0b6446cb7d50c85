"""Reports as text for a terminal or a log: a line for each level, then the failed checks."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TextIO

from kubeparcel.console import duration, first_names, quantity
from kubeparcel.reports.results import Check, CheckState, Report
from kubeparcel.sanitize import one_line, printable

INDENT = 11
SECONDS_COLUMN = 66

MAX_FINDINGS = 3
"""Findings of one check that are printed; the JSON report has all of them."""

_ASCII = str.maketrans({"✓": "ok", "✗": "FAIL", "·": "-", "–": "-", "…": "...", "≤": "<=", "≥": ">="})


@dataclass(frozen=True)
class TextStyle:
    """Whether the output shows colors, and its encoding."""

    color: bool = False
    encoding: str = "utf-8"

    @classmethod
    def for_stream(cls, stream: TextIO) -> TextStyle:
        """Return the style of a stream: colors on a terminal unless NO_COLOR (no-color.org)."""
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        return cls(stream.isatty() and not plain, stream.encoding or "ascii")

    @classmethod
    def for_stdout(cls) -> TextStyle:
        return cls.for_stream(sys.stdout)

    @property
    def passed_mark(self) -> str:
        return "\x1b[32m✓\x1b[0m" if self.color else "✓"

    @property
    def failed_mark(self) -> str:
        return "\x1b[31m✗\x1b[0m" if self.color else "✗"

    def replace_unencodable(self, text: str) -> str:
        """Return the text in characters that the encoding has."""
        try:
            text.encode(self.encoding)
        except UnicodeEncodeError:
            return text.translate(_ASCII).encode(self.encoding, "replace").decode(self.encoding)
        return text


def render_text(reports: Sequence[Report], style: TextStyle) -> str:
    """Return the text without a newline at its end."""
    lines = (line for report in reports for line in _level(report, style))
    return style.replace_unencodable("\n".join(lines))


def _level(report: Report, style: TextStyle) -> Iterator[str]:
    label = f"  {report.level:<{INDENT - 2}}"
    if report.not_run:
        yield f"{label}– not run: {one_line(report.not_run)}"
        return
    summary = "   ".join(_host(report, host, style) for host in report.hosts or [""])
    width = len(summary) - (style.color and 9 * summary.count("\x1b[0m"))
    padding = " " * max(3, SECONDS_COLUMN - INDENT - width)
    yield f"{label}{summary}{padding}{duration(report.seconds)}"
    failures = sorted(report.failed, key=lambda check: (check.host, check.subject))
    for (host, subject), checks in groupby(failures, lambda check: (check.host, check.subject)):
        heading = " · ".join(part for part in (host, subject) if part)
        yield f"{'':{INDENT}}{one_line(heading)}"
        for check in checks:
            yield from (f"{'':{INDENT}}{line}" for line in failure_lines(check, style))
    yield from (f"{'':{INDENT}}{line}" for line in not_run_lines(report.checks))


def not_run_lines(checks: Iterable[Check]) -> Iterator[str]:
    """Yield a line for each reason why checks did not run, with the first names; JSON has all."""
    names: dict[str, dict[str, None]] = {}
    for check in checks:
        if check.state is CheckState.NOT_RUN:
            names.setdefault(check.not_run, {})[check.name] = None
    for reason, by_name in names.items():
        yield f"– not run: {first_names([*by_name])} ({one_line(reason)})"


def _host(report: Report, host: str, style: TextStyle) -> str:
    """Return `✓ 214 checks` or `✗ 1 of 27 checks failed, 3 not run`; for a host `✗ trixie 26 of 27`."""
    counts = report.counts(host)
    passed, failed, not_run = (counts[state] for state in CheckState)
    mark = style.failed_mark if failed else style.passed_mark if passed or not not_run else "–"
    if host:
        count = f"{host} {passed} of {passed + failed}" if failed else f"{host} {passed}"
    else:
        count = quantity(passed + failed, "checks")
        count = f"{failed} of {count} failed" if failed else count
    return f"{mark} {count}, {not_run} not run" if not_run else f"{mark} {count}"


def failure_lines(check: Check, style: TextStyle) -> Iterator[str]:
    """Yield the lines of a failed check: its meaning, its first findings, each hint once."""
    meaning = f": {check.meaning}" if check.meaning else ""
    yield f"{style.failed_mark} {check.name}{meaning}"
    yield from _field("packages", check.packages) if check.packages else ()
    for finding in check.findings[:MAX_FINDINGS]:
        yield from _field("expected", finding.expected) if finding.expected else ()
        yield from _field("found", finding.found)
        yield from _field("location", finding.location) if finding.location else ()
    more = len(check.findings) - MAX_FINDINGS
    if more > 0:
        yield f"  … and {more} more (--json lists all)"
    for hint in dict.fromkeys(finding.hint for finding in check.findings if finding.hint):
        yield from _field("hint", hint)


def _field(name: str, text: str) -> Iterator[str]:
    first, *rest = printable(text).splitlines() or [""]
    yield f"  {name:<9}{first}"
    yield from (f"{'':{INDENT}}{line}" for line in rest)
