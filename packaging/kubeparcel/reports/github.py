"""GitHub Actions: error annotations, and a step summary in Markdown.

The formats: docs.github.com, "Workflow commands for GitHub Actions".
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from kubeparcel.console import duration
from kubeparcel.reports.results import Check, CheckState, Report
from kubeparcel.sanitize import one_line, printable

MAX_ANNOTATIONS = 10
"""GitHub keeps this many error annotations of a step."""

MAX_SUMMARY_BYTES = 1_000_000
"""GitHub drops a step summary that is larger (its limit is 1 MiB)."""

MAX_EVIDENCE_CHARACTERS = 2_000
"""Longer evidence is cut in the summary; its end is kept."""

MAX_FINDINGS = 10
"""Findings of one check in the summary."""


def in_github_actions() -> bool:
    """Return whether this process runs in GitHub Actions."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def summary_file() -> Path | None:
    """Return the file that collects the step summary; None outside GitHub Actions."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    return Path(path) if path and in_github_actions() else None


def error_annotations(reports: Sequence[Report]) -> list[str]:
    """Return an `::error` command for each failed check, at most MAX_ANNOTATIONS."""
    failed = [(report.level, check) for report in reports for check in report.failed]
    lines = [_error(_title(level, check), _message(check)) for level, check in failed]
    if len(lines) > MAX_ANNOTATIONS:
        more = len(lines) - (MAX_ANNOTATIONS - 1)
        rest = _error("kubeparcel verify", f"{more} more checks failed; see the report.")
        lines = [*lines[: MAX_ANNOTATIONS - 1], rest]
    return lines


def _error(title: str, message: str) -> str:
    return f"::error title={_escape_property(title)}::{_escape_data(message)}"


def _title(level: str, check: Check) -> str:
    return " · ".join(part for part in (level, check.host, check.subject, check.name) if part)


def _message(check: Check) -> str:
    finding = check.findings[0]
    lines = [
        check.meaning,
        check.packages and f"packages: {check.packages}",
        *(f"{name}: {value}" for name, value in finding.as_dict().items()),
    ]
    lines += [f"and {len(check.findings) - 1} more"] if check.findings[1:] else []
    return printable("\n".join(line for line in lines if line))


def _escape_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape_data(printable(text)).replace(":", "%3A").replace(",", "%2C")


def escape_workflow_commands(text: str) -> str:
    """Return the text with every workflow command disabled, for output that packages control."""
    return re.sub(r"^([^\S\n]*)::", r"\1: :", text, flags=re.MULTILINE).replace("##[", "# #[")


def append_summary(reports: Sequence[Report], path: Path) -> None:
    """Append the summary to a step's summary file."""
    with path.open("a", encoding="utf-8") as file:
        file.write(render_summary(reports))


def render_summary(reports: Sequence[Report]) -> str:
    """Return a table of the levels, then each failed check with its evidence folded."""
    parts = ["## kubeparcel verify", "", "| level | host | checks | time |", "|---|---|---|---|"]
    parts += [line for report in reports for line in _table_lines(report)]
    size = sum(len(part.encode()) + 1 for part in parts)
    failed = [(report.level, check) for report in reports for check in report.failed]
    for shown, (level, check) in zip(count(), failed):
        block = "\n".join(_failure(level, check))
        size += len(block.encode()) + 1
        if size > MAX_SUMMARY_BYTES - 200:
            parts += ["", f"… and {len(failed) - shown} more; see the report."]
            break
        parts.append(block)
    return "\n".join(parts) + "\n\n"


def _table_lines(report: Report) -> Iterator[str]:
    if report.not_run:
        yield f"| {report.level} | | – not run: {_escape_markdown(report.not_run)} | |"
    for host in report.hosts:
        counts = report.counts(host)
        passed, failed, not_run = (counts[state] for state in CheckState)
        result = f"❌ {passed} of {passed + failed}" if failed else f"✅ {passed}" if passed else "–"
        result += f", {not_run} not run" if not_run else ""
        took = duration(report.seconds)
        yield f"| {report.level} | {_escape_markdown(host)} | {result} | {took} |"


def _failure(level: str, check: Check) -> Iterator[str]:
    yield ""
    yield f"### ❌ {_escape_markdown(_title(level, check))}"
    yield ""
    if check.meaning:
        yield f"{_escape_markdown(check.meaning)}\n"
    if check.packages:
        yield f"Packages: {_escape_markdown(check.packages)}\n"
    fields = (
        f"{name:<9}{value}" for finding in check.findings[:MAX_FINDINGS] for name, value in finding.as_dict().items()
    )
    yield _fenced("\n".join(fields))
    if check.findings[MAX_FINDINGS:]:
        yield f"… and {len(check.findings) - MAX_FINDINGS} more\n"
    if check.evidence:
        outputs = (f"$ {title}\n{text}" for title, text in check.evidence.items())
        yield "<details><summary>Evidence</summary>\n"
        yield from (_fenced(output) for output in outputs)
        yield "</details>"


def _fenced(text: str) -> str:
    """Return a code block. Its fence is longer than any run of backticks in the text."""
    shown = printable(text)[-MAX_EVIDENCE_CHARACTERS:]
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", shown)), default=0))
    return f"{fence}text\n{shown}\n{fence}\n"


def _escape_markdown(text: str) -> str:
    """Return the text on one line, with every character that Markdown interprets escaped."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", one_line(text))
