"""All checks of the layout level, in the order in which they run and are documented."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, replace
from itertools import islice

from kubeparcel.reports.results import Check, Finding
from kubeparcel.verify.layout import LEVEL
from kubeparcel.verify.layout.check_context import CheckContext, CheckDefinition
from kubeparcel.verify.layout.checks import (
    binaries,
    contained_software,
    dropin,
    files,
    metadata,
    paths,
    relations,
    scripts,
    services,
    units,
)
from kubeparcel.verify.selection import EVERYTHING, NOT_SELECTED, Selection

MAX_FINDINGS = 100
"""The number of findings of a check that are reported."""

_MAX_TEXT = 2000

_MODULES = (*(paths, files, metadata, relations, binaries, contained_software), *(dropin, units, scripts, services))

CHECKS = tuple(
    definition for module in _MODULES for definition in vars(module).values() if isinstance(definition, CheckDefinition)
)


def run_checks(context: CheckContext, selection: Selection = EVERYTHING) -> tuple[Check, ...]:
    """Run every selected check that applies to a package; others that apply are returned as not run."""
    return tuple(_run(definition, context, selection) for definition in CHECKS if definition.applies(context))


def _first_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the first findings and the number of the others; a hostile package may cause any number, of any length."""
    rest = iter(findings)
    first = [Finding(*map(_shorten, astuple(finding))) for finding in islice(rest, MAX_FINDINGS)]
    more = sum(1 for _ in rest)
    return (*first, Finding("no findings", f"{more:,} more findings")) if more else tuple(first)


def _shorten(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]} …"


def _run(definition: CheckDefinition, context: CheckContext, selection: Selection) -> Check:
    if not selection.includes(LEVEL, definition.name):
        return Check(definition.name, context.name, definition.meaning, not_run=NOT_SELECTED)
    findings = _first_findings(definition.function(context))
    if context.built_by_kubeparcel and definition.hint:
        hint = definition.hint.replace("NAME", context.contents.name)
        findings = tuple(replace(finding, hint=finding.hint or hint) for finding in findings)
    return Check(definition.name, context.name, definition.meaning, findings)
