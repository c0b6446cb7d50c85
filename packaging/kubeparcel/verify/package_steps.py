"""Steps with a package manager, for scenarios of every level."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubeparcel.reports.results import Finding
from kubeparcel.verify.scenario import HostContext, StepFunction


def manage(command: str, *names: str, then: StepFunction = lambda _: ()) -> StepFunction:
    """Return a step that runs a package manager's command, by its name, then another step.

    Without names, it is for the packages under test. `purge` is `remove` where the package manager has no purge.
    """

    def run(context: HostContext) -> Iterator[Finding]:
        template = getattr(context.package_manager, command) or context.package_manager.remove
        yield from context.run_manager(template, names or context.packages.names)
        yield from then(context)

    return run


def versions_installed(context: HostContext) -> Iterator[Finding]:
    """The packages under test are installed, at exactly their versions."""
    yield from context.assert_versions(context.packages.versions)


def files_as_packaged(*names: str, edited: bool = True) -> StepFunction:
    """Return a step that expects every file as packaged; with `edited`, configuration files may differ.

    Without names, it is about the packages under test.
    """

    def check(context: HostContext) -> Iterator[Finding]:
        manager = context.package_manager
        result = context.run(*manager.argv(manager.verify, names or context.packages.names))
        for line in f"{result.stdout}{result.stderr}".splitlines():
            if not (edited and re.match(r"\S+ +c ", line)):  # dpkg and rpm mark configuration files so
                yield Finding("every file as packaged", line, ", ".join(names))

    return check
