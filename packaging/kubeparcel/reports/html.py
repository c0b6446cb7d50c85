"""A proof as one page: nothing beside it is needed, and nothing in its evidence can run."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubeparcel import __version__
from kubeparcel.console import duration
from kubeparcel.paths import template_dir
from kubeparcel.reports.results import Check, CheckedPackage, Report
from kubeparcel.sanitize import printable

OPEN_GROUPS = 3
"""Of so few groups of checks in a level, all are open."""


@dataclass(frozen=True)
class Group:
    """The checks of one subject: a scenario on a host, or a package file."""

    subject: str
    rows: tuple[Row, ...]

    @property
    def good(self) -> int:
        """How many passed."""
        return sum(row.check.passed for row in self.rows)

    @property
    def passed(self) -> bool:
        """Whether all did."""
        return self.good == len(self.rows)

    @property
    def seconds(self) -> float:
        """How long they took, one after the other."""
        return sum(row.check.seconds for row in self.rows)


@dataclass(frozen=True)
class Row:
    """One check with its number on the page."""

    number: int
    level: str
    check: Check

    @property
    def evidence(self) -> tuple[tuple[str, str, bool], ...]:
        """What was seen: a title, the text, and whether a reader wants it open at once."""
        last = len(self.check.evidence) - 1
        return tuple(
            (title, text, not self.check.passed and (at == last or "\n(exit code " in text))
            for at, (title, text) in enumerate(self.check.evidence.items())
        )


@dataclass(frozen=True)
class Level:
    """One level on the page: its groups by host."""

    report: Report
    hosts: Mapping[str, tuple[Group, ...]]

    @property
    def rows(self) -> list[Row]:
        """All its checks."""
        return [row for groups in self.hosts.values() for group in groups for row in group.rows]

    @property
    def slowest(self) -> float:
        """The seconds of the group that took longest."""
        return max((group.seconds for groups in self.hosts.values() for group in groups), default=0)

    @property
    def few(self) -> bool:
        """Whether there are so few groups that all of them can be open."""
        return sum(map(len, self.hosts.values())) <= OPEN_GROUPS


def render_html(reports: Sequence[Report], started: datetime) -> str:
    """The page."""
    levels = _levels(reports)
    rows = [row for level in levels for row in level.rows]
    packages = [one for report in reports for one in report.packages]
    context = {
        "levels": levels,
        "failures": [row for row in rows if not row.check.passed],
        "count": len(rows),
        "passed": all(report.passed for report in reports),
        "named": version_summary(packages),
        "packages": packages,
        "started": started,
        "seconds": sum(report.seconds for report in reports),
        "version": __version__,
    }
    for name, file in {"style": "style.css", "script": "script.js"}.items():
        text = (template_dir() / "report" / file).read_text("utf-8")
        context |= {name: text, f"{name}_digest": _digest(text)}
    return _render("report/page.html.j2", context)


def version_summary(packages: Sequence[CheckedPackage]) -> str:
    """`kubeadm, kubectl, kubelet 1.36.3-1 · cri-tools 1.36.0-1`: each version once."""
    names: dict[str, list[str]] = {}
    for one in packages:
        known = names.setdefault(one.version, [])
        if one.name not in known:
            known.append(one.name)
    ordered = sorted(names.items(), key=lambda row: -len(row[1]))
    return " · ".join(f"{', '.join(sorted(known))} {version}" for version, known in ordered)


def _levels(reports: Sequence[Report]) -> list[Level]:
    number = 0
    levels: list[Level] = []
    for report in reports:
        hosts: dict[str, tuple[Group, ...]] = {}
        for (host, subject), checks in report.checks_by_subject.items():
            rows = tuple(Row(at, report.level, one) for at, one in enumerate(checks, number + 1))
            number += len(checks)
            hosts[host] = (*hosts.get(host, ()), Group(subject, rows))
        levels.append(Level(report, hosts))
    return levels


def _digest(text: str) -> str:
    """How a Content-Security-Policy names what may run (its `sha256-` source)."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _render(name: str, context: Mapping[str, Any]) -> str:
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
    environment.filters["duration"] = duration
    environment.filters["ours"] = Markup
    return environment.get_template(name).render(context)
