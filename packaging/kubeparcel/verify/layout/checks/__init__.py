"""All checks of the layout level, as one table: for running them, for docs, for tests."""

from __future__ import annotations

from dataclasses import replace

from kubeparcel.reports.results import Check
from kubeparcel.verify.layout.check_context import CheckContext, CheckDefinition
from kubeparcel.verify.layout.checks import (
    binaries,
    dropin,
    files,
    metadata,
    origins,
    paths,
    relations,
    scripts,
    services,
    units,
)

CHECKS: tuple[CheckDefinition, ...] = (
    *paths.RULES,
    *files.RULES,
    *metadata.RULES,
    *relations.RULES,
    *binaries.RULES,
    *origins.RULES,
    *dropin.RULES,
    *units.RULES,
    *scripts.RULES,
    *services.RULES,
)


def check(subject: CheckContext) -> tuple[Check, ...]:
    """Every check that applies to a package."""
    return tuple(_ask(rule, subject) for rule in CHECKS if rule.applies(subject))


def _ask(rule: CheckDefinition, subject: CheckContext) -> Check:
    findings = tuple(rule.question(subject))
    if subject.built_by_kubeparcel and rule.todo:
        todo = rule.todo.replace("NAME", subject.contents.name)
        findings = tuple(replace(one, hint=one.hint or todo) for one in findings)
    return Check(rule.name, subject.name, rule.meaning, findings)
