"""What is done to a host, step by step; each gives findings where it did not go as it should."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from kubeparcel.reports.results import Finding
from kubeparcel.templates import render
from kubeparcel.verify.filesystem_snapshot import take_snapshot
from kubeparcel.verify.install.assertions import (
    ADMIN_EDIT,
    DEBIAN_PLUGINS,
    FOREIGN_PLUGIN,
    NoFindings,
    gone,
    programs_of,
    verify,
)
from kubeparcel.verify.package_expectations import (
    config_files,
    dependencies_of,
    external_dependencies,
)
from kubeparcel.verify.scenario import CURRENT_DIR, PREVIOUS_DIR, HostContext, StepFunction


def dependencies(trial: HostContext) -> Iterator[Finding]:
    """What the host itself has comes from its repository; what there is then is the start."""
    if external := external_dependencies(trial.packages):
        yield from trial.run_manager(trial.package_manager.install, external)
    trial.state["before"] = take_snapshot(trial.container)


def install(trial: HostContext) -> Iterator[Finding]:
    """All packages at once, by name."""
    yield from trial.run_manager(trial.package_manager.install, trial.packages.names)
    yield from trial.assert_versions(trial.packages)


def one(name: str) -> StepFunction:
    """A single package by name: what it needs comes with it, and its programs run."""

    def alone(trial: HostContext) -> Iterator[Finding]:
        yield from trial.run_manager(trial.package_manager.install, [name])
        for other in dependencies_of(trial.packages, name):
            if trial.run(
                *trial.package_manager.argv(trial.package_manager.find_provider, [other])
            ).exit_code:
                yield Finding(f"{other}, which {name} cannot be without", "not installed with it")
        yield from programs_of(trial, trial.packages, only=name)

    return alone


def reinstall(trial: HostContext) -> Iterator[Finding]:
    """The same packages once more, over themselves."""
    yield from trial.run_manager(trial.package_manager.reinstall, trial.packages.names)
    yield from trial.assert_versions(trial.packages)


def forget(trial: HostContext) -> Iterator[Finding]:
    """Removed with all settings, as far as the package manager knows such a thing."""
    command = trial.package_manager.purge or trial.package_manager.remove
    yield from trial.run_manager(command, trial.packages.names)
    yield from gone(trial)


def remove(trial: HostContext) -> Iterator[Finding]:
    """Removed: no program is left."""
    yield from trial.run_manager(trial.package_manager.remove, trial.packages.names)
    yield from gone(trial)


def forget_rest(trial: HostContext) -> Iterator[Finding]:
    """After a removal the settings go as well."""
    yield from trial.run_manager(trial.package_manager.purge, trial.packages.names)


def use(trial: HostContext) -> NoFindings:
    """As on a host in use: settings are edited, and somebody's plugin lies beside ours."""
    for path in config_files(trial.packages):
        trial.script('printf "%s\\n" "$2" >>"$1"', path, ADMIN_EDIT)
    trial.script('mkdir -p "${1%/*}"; echo theirs >"$1"', FOREIGN_PLUGIN)
    return ()


def tidy(trial: HostContext) -> NoFindings:
    """Take away what `use` put there, and what rpm saved of it."""
    saved = [f"{path}.rpmsave" for path in config_files(trial.packages)]
    before = trial.state["before"]
    assert isinstance(before, dict)  # noqa: S101 - dependencies() put it there
    above = {str(up) for path in (FOREIGN_PLUGIN, *saved) for up in PurePosixPath(path).parents}
    trial.run("rm", "--force", FOREIGN_PLUGIN, *saved)
    for folder in sorted(above.difference(before), reverse=True):
        trial.run("rmdir", folder)
    return ()


def install_earlier(trial: HostContext) -> Iterator[Finding]:
    """The earlier packages, from their own repository."""
    assert trial.previous  # noqa: S101 - the scenario applies only then
    trial.use_repositories(PREVIOUS_DIR)
    yield from trial.run_manager(trial.package_manager.install, trial.previous.names)
    yield from trial.assert_versions(trial.previous)


def upgrade(trial: HostContext) -> Iterator[Finding]:
    """From the earlier packages to these; nobody is there to answer a question."""
    trial.use_repositories(CURRENT_DIR)
    yield from trial.run_manager(trial.package_manager.upgrade)
    yield from trial.assert_versions(trial.packages)


def downgrade(trial: HostContext) -> Iterator[Finding]:
    """Back to the earlier packages."""
    assert trial.previous  # noqa: S101 - the scenario applies only then
    trial.use_repositories(PREVIOUS_DIR)
    now = trial.packages.versions
    older = {n: v for n, v in trial.previous.versions.items() if now.get(n) != v}
    yield from trial.run_manager(
        trial.package_manager.downgrade, trial.package_manager.at_versions(older)
    )
    yield from trial.assert_versions(trial.previous)


def one_by_one(*, backwards: bool) -> StepFunction:
    """One package after the other, in the order of their names or backwards."""

    def ordered(trial: HostContext) -> Iterator[Finding]:
        for name in sorted(trial.packages.names, reverse=backwards):
            yield from trial.run_manager(trial.package_manager.install, [name])
        yield from trial.assert_versions(trial.packages)

    return ordered


def unordered(trial: HostContext) -> Iterator[Finding]:
    """All unpacked backwards, dependents first, and only then configured."""
    files = [f"{CURRENT_DIR}/{name}" for name in reversed(trial.packages.files)]
    for command in trial.package_manager.install_unordered:
        yield from trial.run_manager(command, files=files)
    yield from trial.assert_versions(trial.packages)


def without_systemd(trial: HostContext) -> Iterator[Finding]:
    """The host has no systemd."""
    if trial.script(render("hosts/without-systemd.sh", {})).exit_code:
        yield Finding("a host without systemd", "it could not be taken away")


def neighbour(trial: HostContext) -> Iterator[Finding]:
    """Debian's own CNI plugins, installed before ours."""
    yield from trial.run_manager(trial.package_manager.install, [DEBIAN_PLUGINS])


def neighbour_leaves(trial: HostContext) -> Iterator[Finding]:
    """Debian's own CNI plugins are purged; ours stay whole."""
    yield from trial.run_manager(
        trial.package_manager.purge or trial.package_manager.remove, [DEBIAN_PLUGINS]
    )
    yield from verify(trial)
