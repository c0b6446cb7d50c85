"""Actions on a host: each changes it, and yields findings if the change does not succeed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from kubeparcel.reports.results import Finding
from kubeparcel.templates import render
from kubeparcel.verify.filesystem_snapshot import take_snapshot
from kubeparcel.verify.install.assertions import (
    ADMIN_EDIT,
    FOREIGN_CONTENT,
    NoFindings,
    foreign_plugin,
    program_versions,
)
from kubeparcel.verify.package_expectations import config_files, dependencies_of, external_dependencies
from kubeparcel.verify.scenario import CURRENT_DIR, PREVIOUS_DIR, HostContext, StepFunction


def install_dependencies(context: HostContext) -> Iterator[Finding]:
    """Install the dependencies from the host's repository, and record its files then."""
    dependencies = external_dependencies(context.packages)
    if dependencies:
        yield from context.run_manager(context.package_manager.install, dependencies)
    context.state["before"] = take_snapshot(context.container)


def install_alone(name: str) -> StepFunction:
    """Return a step that installs one package: its dependencies follow, and its programs run."""

    def install(context: HostContext) -> Iterator[Finding]:
        manager = context.package_manager
        yield from context.run_manager(manager.install, [name])
        for dependency in dependencies_of(context.packages, name):
            if context.run(*manager.argv(manager.find_provider, [dependency])).exit_code:
                yield Finding(f"{dependency}, a dependency of {name}", "not installed with it")
        yield from program_versions(context, context.packages, only=name)

    return install


def edit_settings_and_add_plugin(context: HostContext) -> NoFindings:
    """Edit all settings, and put another vendor's plugin next to the packages' own."""
    for path in config_files(context.packages):
        context.script('printf "%s\\n" "$2" >>"$1"', path, ADMIN_EDIT)
    context.script('mkdir -p "${1%/*}"; echo "$2" >"$1"', foreign_plugin(context.packages), FOREIGN_CONTENT)
    return ()


def remove_edits_and_plugin(context: HostContext) -> NoFindings:
    """Remove the other vendor's plugin, what rpm saved of the edits, and the folders above."""
    left = [foreign_plugin(context.packages), *(f"{path}.rpmsave" for path in config_files(context.packages))]
    before = context.state["before"]
    assert isinstance(before, dict)  # noqa: S101 - install_dependencies() put it there
    parents = {str(up) for path in left for up in PurePosixPath(path).parents}
    context.run("rm", "--force", *left)
    for folder in sorted(parents.difference(before), reverse=True):
        context.run("rmdir", folder)
    return ()


def install_previous(context: HostContext) -> Iterator[Finding]:
    """Install the previous packages, from their own repository."""
    context.use_repositories(PREVIOUS_DIR)
    yield from context.run_manager(context.package_manager.install, context.previous_packages.names)
    yield from context.assert_versions(context.previous_packages.versions)


def upgrade(context: HostContext) -> Iterator[Finding]:
    """Upgrade to the packages under test, with no terminal to answer a prompt on."""
    context.use_repositories(CURRENT_DIR)
    yield from context.run_manager(context.package_manager.upgrade)
    yield from context.assert_versions(context.packages.versions)


def downgrade(context: HostContext) -> Iterator[Finding]:
    """Return to the previous packages."""
    context.use_repositories(PREVIOUS_DIR)
    manager, current = context.package_manager, context.packages.versions
    previous = context.previous_packages.versions
    changed = {name: version for name, version in previous.items() if current.get(name) != version}
    yield from context.run_manager(manager.downgrade, manager.at_versions(changed))
    yield from context.assert_versions(previous)


def install_one_by_one(*, backwards: bool) -> StepFunction:
    """Return a step that installs the packages one by one, by name or in reverse."""

    def install(context: HostContext) -> Iterator[Finding]:
        for name in sorted(context.packages.names, reverse=backwards):
            yield from context.run_manager(context.package_manager.install, [name])
        yield from context.assert_versions(context.packages.versions)

    return install


def install_unordered(context: HostContext) -> Iterator[Finding]:
    """Unpack all packages, dependents first, and only then configure them."""
    files = [f"{CURRENT_DIR}/{name}" for name in reversed(context.packages.files)]
    for command in context.package_manager.install_unordered:
        yield from context.run_manager(command, files=files)
    yield from context.assert_versions(context.packages.versions)


def remove_systemd(context: HostContext) -> Iterator[Finding]:
    """Remove systemd from the host."""
    result = context.script(render("hosts/without-systemd.sh", {}))
    if result.exit_code:
        found = (result.stderr or result.stdout).strip()[-300:]
        yield Finding("a host without systemd", found or "systemd could not be removed")
