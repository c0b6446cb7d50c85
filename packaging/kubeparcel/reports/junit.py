"""Reports as JUnit XML: a test suite for each host and subject, a test case for each check."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree as Xml

from kubeparcel.reports.results import Check, CheckState, Report
from kubeparcel.sanitize import printable

_INVALID_XML = re.compile(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")
"""Characters that XML 1.0 does not allow (section 2.2)."""

_COUNTS = ("tests", "failures", "errors", "skipped")


def render_junit(reports: Sequence[Report]) -> bytes:
    """Return the XML document, encoded as UTF-8."""
    root = Xml.Element("testsuites", {"name": "kubeparcel"})
    for report in reports:
        for (host, subject), checks in report.checks_by_subject.items():
            _add_suite(root, report.level, host, subject, checks)
        if report.not_run:
            _add_suite(root, report.level, "", "", [Check(report.level, "", not_run=report.not_run)])
    totals = {name: sum(int(suite.get(name, "0")) for suite in root) for name in _COUNTS}
    seconds = sum(report.seconds for report in reports)
    root.attrib |= _attributes(totals) | {"time": f"{seconds:.3f}"}
    Xml.indent(root)
    text: bytes = Xml.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _add_suite(root: Xml.Element, level: str, host: str, subject: str, checks: Sequence[Check]) -> None:
    failures = sum(check.state is CheckState.FAILED for check in checks)
    skipped = sum(check.state is CheckState.NOT_RUN for check in checks)
    counts = {"tests": len(checks), "failures": failures, "errors": 0, "skipped": skipped}
    name = _clean(" ".join(part for part in (level, host, subject) if part))
    suite = Xml.SubElement(root, "testsuite", {"name": name, **_attributes(counts)})
    suite.set("time", f"{sum(check.seconds for check in checks):.3f}")
    if host:
        suite.set("hostname", _clean(host))
    for check in checks:
        case = Xml.SubElement(suite, "testcase", {"classname": name, "name": check.name})
        case.set("time", f"{check.seconds:.3f}")
        if check.state is CheckState.FAILED:
            _add_failure(case, check)
        elif check.state is CheckState.NOT_RUN:
            Xml.SubElement(case, "skipped", {"message": _clean(f"not run: {check.not_run}")})
        if check.evidence:
            outputs = (f"{title}\n{text}" for title, text in check.evidence.items())
            Xml.SubElement(case, "system-out").text = _clean("\n\n".join(outputs))


def _add_failure(case: Xml.Element, check: Check) -> None:
    first = check.findings[0]
    message = f"expected {first.expected}, found {first.found}".replace("\n", " ")
    failure = Xml.SubElement(case, "failure", {"message": _clean(message), "type": check.name})
    blocks = ("\n".join(f"{name}: {value}" for name, value in finding.as_dict().items()) for finding in check.findings)
    packages = f"packages: {check.packages}" if check.packages else ""
    failure.text = _clean("\n\n".join(filter(None, [check.meaning, packages, *blocks])))


def _attributes(counts: Mapping[str, int]) -> dict[str, str]:
    return {name: str(count) for name, count in counts.items()}


def _clean(text: str) -> str:
    return _INVALID_XML.sub("\N{REPLACEMENT CHARACTER}", printable(text))
