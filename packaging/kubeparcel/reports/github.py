"""What GitHub shows beside a run of its Actions: annotations, and a summary in Markdown.

The formats: docs.github.com, "Workflow commands for GitHub Actions".
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from kubeparcel.console import duration
from kubeparcel.reports.results import Check, Report
from kubeparcel.sanitize import printable

MAX_ANNOTATIONS = 10
"""GitHub keeps so many annotations of one step."""

MAX_SUMMARY_BYTES = 1_000_000
"""Bytes that a summary may have; one that is longer is not shown at all."""

MAX_EVIDENCE_CHARACTERS = 2_000
"""Of each text in the summary so many characters are kept: its end."""


def in_github_actions() -> bool:
    """Whether this is a run of GitHub's Actions."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def error_annotations(reports: Sequence[Report]) -> list[str]:
    """A line for each failed check, up to what GitHub keeps; it reads them on standard error."""
    failed = [(report.level, check) for report in reports for check in report.failed]
    rest = len(failed) - (MAX_ANNOTATIONS - 1) if len(failed) > MAX_ANNOTATIONS else 0
    lines = [_error(_title(level, check), _message(check)) for level, check in failed]
    if rest:
        more = _error("kubeparcel verify", f"{rest} more checks fail: see the report.")
        lines = [*lines[: MAX_ANNOTATIONS - 1], more]
    return lines


def _error(title: str, message: str) -> str:
    return f"::error title={_property(title)}::{_data(message)}"


def _title(level: str, check: Check) -> str:
    return " · ".join(word for word in (level, check.host, check.subject, check.name) if word)


def _message(check: Check) -> str:
    first = check.findings[0]
    rows = [check.meaning, *(f"{name}: {value}" for name, value in first.as_dict().items())]
    rows += [f"and {len(check.findings) - 1} more"] if check.findings[1:] else []
    return printable("\n".join(row for row in rows if row))


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(printable(text)).replace(":", "%3A").replace(",", "%2C")


def escape_workflow_commands(text: str) -> str:
    """A text in which no line is a command to GitHub, whatever a package printed."""
    return re.sub(r"^(\s*)::", r"\1: :", text, flags=re.MULTILINE).replace("##[", "# #[")


def append_summary(reports: Sequence[Report], path: Path) -> None:
    """Add the summary to the file that GitHub named."""
    with path.open("a", encoding="utf-8") as file:
        file.write(render_summary(reports))


def render_summary(reports: Sequence[Report]) -> str:
    """The levels as a table, and below it what failed, each with its evidence folded."""
    parts = ["## kubeparcel verify", "", "| level | host | checks | time |", "|---|---|---|---|"]
    parts += [row for report in reports for row in _rows(report)]
    size = sum(len(part.encode()) + 1 for part in parts)
    failed = [(report.level, check) for report in reports for check in report.failed]
    for shown, (level, check) in zip(count(), failed):
        block = "\n".join(_failure(level, check))
        size += len(block.encode()) + 1
        if size > MAX_SUMMARY_BYTES - 200:
            parts += ["", f"… and {len(failed) - shown} more: see the report."]
            break
        parts.append(block)
    return "\n".join(parts) + "\n\n"


def _rows(report: Report) -> Iterator[str]:
    if report.not_run:
        yield f"| {report.level} | | – not run: {_inline(report.not_run)} | |"
    for host in dict.fromkeys(check.host for check in report.checks):
        checks = [check for check in report.checks if check.host == host]
        good = sum(check.passed for check in checks)
        told = f"✅ {good}" if good == len(checks) else f"❌ {good} of {len(checks)}"
        yield f"| {report.level} | {_inline(host)} | {told} | {duration(report.seconds)} |"


def _failure(level: str, check: Check) -> Iterator[str]:
    yield ""
    yield f"### ❌ {_inline(_title(level, check))}"
    yield ""
    if check.meaning:
        yield f"{_inline(check.meaning)}\n"
    rows = (f"{k:<9}{v}" for one in check.findings[:10] for k, v in one.as_dict().items())
    yield _fenced("\n".join(rows))
    if check.findings[10:]:
        yield f"… and {len(check.findings) - 10} more\n"
    if check.evidence:
        texts = (f"$ {title}\n{text}" for title, text in check.evidence.items())
        yield "<details><summary>What was seen</summary>\n"
        yield from (_fenced(text) for text in texts)
        yield "</details>"


def _fenced(text: str) -> str:
    """A block of code: its fence is longer than any in the text."""
    shown = printable(text)[-MAX_EVIDENCE_CHARACTERS:]
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", shown)), default=0))
    return f"{fence}text\n{shown}\n{fence}\n"


def _inline(text: str) -> str:
    """A text of one line in which no character means anything to Markdown."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", " ".join(printable(text).split()))
