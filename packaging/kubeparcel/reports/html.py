"""Reports as one self-contained HTML page; the output of packages is shown but never executed."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubeparcel import __version__
from kubeparcel.console import duration
from kubeparcel.paths import template_dir
from kubeparcel.reports.results import Check, CheckedPackage, CheckState, Report, count_states
from kubeparcel.sanitize import printable

MAX_OPEN_GROUPS = 3
"""A level with at most this many groups shows all of them open."""


@dataclass(frozen=True)
class NumberedCheck:
    """A check with its number on the page, which its links use."""

    number: int
    level: str
    check: Check

    @property
    def evidence(self) -> tuple[tuple[str, str, bool], ...]:
        """Return the title and text of each output, and whether it is open at first."""
        last = len(self.check.evidence) - 1
        return tuple(
            (title, text, bool(self.check.findings) and (index == last or "\n(exit code " in text))
            for index, (title, text) in enumerate(self.check.evidence.items())
        )


@dataclass(frozen=True)
class CheckGroup:
    """The checks of one subject: a scenario on a host, or a package file."""

    subject: str
    checks: tuple[NumberedCheck, ...]

    @property
    def counts(self) -> Counter[CheckState]:
        return count_states(numbered.check for numbered in self.checks)

    @property
    def seconds(self) -> float:
        return sum(numbered.check.seconds for numbered in self.checks)


@dataclass(frozen=True)
class LevelSection:
    """One level on the page: its groups by host."""

    report: Report
    hosts: Mapping[str, tuple[CheckGroup, ...]]

    @property
    def groups(self) -> list[CheckGroup]:
        return [group for groups in self.hosts.values() for group in groups]

    @property
    def slowest(self) -> float:
        return max((group.seconds for group in self.groups), default=0)

    @property
    def open_groups(self) -> bool:
        return len(self.groups) <= MAX_OPEN_GROUPS


def render_html(reports: Sequence[Report], started: datetime) -> str:
    """Return the page. `started` is the time when the first level started."""
    levels = _number_checks(reports)
    checks = [check for level in levels for group in level.groups for check in group.checks]
    packages = [package for report in reports for package in report.packages]
    context = {
        "levels": levels,
        "failures": [numbered for numbered in checks if numbered.check.findings],
        "counts": count_states(numbered.check for numbered in checks),
        "complete": not any(report.not_run for report in reports),
        "versions": version_summary(packages),
        "packages": packages,
        "started": started,
        "seconds": sum(report.seconds for report in reports),
    }
    return render_page("report/page.html.j2", context)


def render_page(template: str, values: Mapping[str, Any]) -> str:
    """Return a page of a template in the reports' style, with values that others may have written."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template_dir()),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"duration": duration, "trusted": Markup}
    context = {**values, "version": __version__}
    for name, file in {"style": "style.css", "script": "script.js"}.items():
        text = (template_dir() / "report" / file).read_text("utf-8")
        context |= {name: text, f"{name}_digest": _csp_digest(text)}
    return environment.get_template(template).render(context)


def version_summary(packages: Sequence[CheckedPackage]) -> str:
    """Return the names by version: `kubeadm, kubectl, kubelet 1.36.3-1 · cri-tools 1.36.0-1`."""
    names: dict[str, set[str]] = {}
    for package in packages:
        names.setdefault(package.version, set()).add(package.name)
    by_count = sorted(names.items(), key=lambda item: -len(item[1]))
    return " · ".join(f"{', '.join(sorted(group))} {version}" for version, group in by_count)


def _number_checks(reports: Sequence[Report]) -> list[LevelSection]:
    total = 0
    levels: list[LevelSection] = []
    for report in reports:
        hosts: dict[str, tuple[CheckGroup, ...]] = {}
        for (host, subject), checks in report.checks_by_subject.items():
            numbered = tuple(
                NumberedCheck(number, report.level, check) for number, check in enumerate(checks, total + 1)
            )
            total += len(checks)
            hosts[host] = (*hosts.get(host, ()), CheckGroup(subject, numbered))
        levels.append(LevelSection(report, hosts))
    return levels


def _csp_digest(text: str) -> str:
    """Return the digest of a Content-Security-Policy `sha256-` source."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
