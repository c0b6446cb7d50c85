"""All checks of the layout level, in the order in which they run and are documented."""

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

_MODULES = (*(paths, files, metadata, relations, binaries, origins), *(dropin, units, scripts, services))

CHECKS = tuple(
    definition for module in _MODULES for definition in vars(module).values() if isinstance(definition, CheckDefinition)
)


def run_checks(context: CheckContext) -> tuple[Check, ...]:
    """Run every check that applies to a package."""
    return tuple(_run(definition, context) for definition in CHECKS if definition.applies(context))


def _run(definition: CheckDefinition, context: CheckContext) -> Check:
    findings = tuple(definition.function(context))
    if context.built_by_kubeparcel and definition.hint:
        hint = definition.hint.replace("NAME", context.contents.name)
        findings = tuple(replace(finding, hint=finding.hint or hint) for finding in findings)
    return Check(definition.name, context.name, definition.meaning, findings)
