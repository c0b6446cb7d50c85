"""The steps of the install level: what changes a host, and assertions about it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import TypeAlias

from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.reports.results import Finding
from kubeparcel.templates import render
from kubeparcel.verify.filesystem_snapshot import compare_snapshots, take_snapshot
from kubeparcel.verify.package_expectations import (
    binaries,
    completed_programs,
    config_files,
    dependencies_of,
    external_dependencies,
)
from kubeparcel.verify.package_steps import files_as_packaged
from kubeparcel.verify.scenario import CURRENT_DIR, PREVIOUS_DIR, HostContext, StepFunction, describe_output

VERSION_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "kubeadm": ("version",),
    "kubelet": ("--version",),
    "kubectl": ("version", "--client"),
    "crictl": ("--version",),
}
"""The arguments that make a program print its version; a CNI plugin needs none."""

FOREIGN_CONTENT = "not ours"
ADMIN_EDIT = "# edited by the administrator"
DEBIAN_PLUGINS = "containernetworking-plugins"
"""Debian's own package of CNI plugins."""
DEBIAN_PLUGIN_FOLDER = "/usr/lib/cni"

CHANGES_SHOWN = 50

NoFindings: TypeAlias = tuple[()]
"""What a step returns that checks nothing: it prepares something for the steps after it."""


def record_files(label: str) -> Callable[[HostContext], NoFindings]:
    """Return a step that takes a snapshot of the whole host, for a later comparison."""

    def record(context: HostContext) -> NoFindings:
        context.state[label] = take_snapshot(context.container)
        return ()

    return record


def files_unchanged_since(label: str) -> StepFunction:
    """Return a step that compares the whole host with an earlier snapshot."""

    def compare(context: HostContext) -> Iterator[Finding]:
        after = take_snapshot(context.container)
        findings = list(compare_snapshots(context.state[label], after))
        changes = [f"{f.location}: {f.expected} → {f.found}" for f in findings] or ["no difference"]
        context.evidence[f"{len(after)} paths compared"] = "\n".join(changes[:CHANGES_SHOWN])
        yield from findings

    return compare


def install_dependencies(context: HostContext) -> Iterator[Finding]:
    """Install the dependencies from the host's repository, and record its files then."""
    dependencies = external_dependencies(context.packages)
    if dependencies:
        yield from context.run_manager(context.package_manager.install, dependencies)
    record_files("before")(context)


def install_alone(name: str) -> StepFunction:
    """Return a step that installs one package: its dependencies follow, and its programs run."""

    def install(context: HostContext) -> Iterator[Finding]:
        manager = context.package_manager
        yield from context.run_manager(manager.install, [name])
        for dependency in dependencies_of(context.packages, name):
            if context.run(*manager.argv(manager.find_provider, [dependency])).exit_code:
                yield Finding(f"{dependency}, a dependency of {name}", "not installed with it")
        yield from programs_report_versions(context, only=name)

    return install


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


def install_one_by_one(*, backwards: bool = False) -> StepFunction:
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
        yield Finding("a host without systemd", describe_output(result, "systemd could not be removed"))


def programs_report_versions(
    context: HostContext, packages: PackageSet | None = None, only: str = ""
) -> Iterator[Finding]:
    """Every program of a set (by default the one under test), or of one package, reports its package's version."""
    packages = packages or context.packages
    programs = {
        path: package
        for path, package in binaries(packages).items()
        if only in ("", package.name)
        and (path.startswith(f"{packages.cni_bin_dir}/") or PurePosixPath(path).name in VERSION_ARGUMENTS)
    }
    commands = [(path, *VERSION_ARGUMENTS.get(PurePosixPath(path).name, ())) for path in programs]
    for result in context.run_each(commands):
        path = result.argv[0]
        version = programs[path].upstream_version
        if not re.search(rf"(?<![\w.])v?{re.escape(version)}(?![\w.+-])", result.stdout):
            yield Finding(f"version {version} in the output", result.stdout[:300] or describe_output(result), path)


def completions_load(context: HostContext) -> Iterator[Finding]:
    """Bash loads the completions, and the function that they name exists."""
    text = render("hosts/completion.sh", {})
    for name in completed_programs(context.packages):
        result = context.run("bash", "-c", text, "bash", name)
        if result.exit_code or f" {name}" not in result.stdout:
            yield Finding(f"complete -F FUNCTION {name}", describe_output(result), f"completions of {name}")


def programs_run_on_read_only_usr(context: HostContext) -> Iterator[Finding]:
    """With /usr and /opt mounted read-only, every program still runs."""
    mounted = context.script(
        "for at in /usr /opt; do mount --bind $at $at; mount -o remount,ro,bind $at; done; "
        "! touch /usr/written /opt/written 2>/dev/null"
    )
    if mounted.exit_code:
        yield Finding("/usr and /opt mounted read-only", describe_output(mounted, "they are still writable"))
    yield from programs_report_versions(context)
    context.script("umount --lazy /usr /opt")


def packages_removed(context: HostContext) -> Iterator[Finding]:
    """No package is installed any more, and no program is left."""
    for name, version in context.installed_versions(context.packages.names).items():
        yield Finding(f"{name} not installed", f"{name} {version}")
    yield from programs_removed(context)


def programs_removed(context: HostContext) -> Iterator[Finding]:
    """No program of the packages is left."""
    for result in context.run_each([("test", "!", "-e", path) for path in binaries(context.packages)]):
        if result.exit_code:
            yield Finding("no file", "a program is left", context.locate(result.argv[-1]))


def _foreign_plugin(context: HostContext) -> str:
    """Return the path of another vendor's plugin next to the packages' own."""
    return f"{context.packages.cni_bin_dir}/other-vendors-plugin"


def edit_settings_and_add_plugin(context: HostContext) -> NoFindings:
    """Edit all settings, and put another vendor's plugin next to the packages' own."""
    for path in config_files(context.packages):
        context.script('printf "%s\\n" "$2" >>"$1"', path, ADMIN_EDIT)
    context.script('mkdir -p "${1%/*}"; echo "$2" >"$1"', _foreign_plugin(context), FOREIGN_CONTENT)
    return ()


def remove_edits_and_plugin(context: HostContext) -> NoFindings:
    """Remove the other vendor's plugin, what rpm saved of the edits, and the folders above."""
    left = [_foreign_plugin(context), *(f"{path}.rpmsave" for path in config_files(context.packages))]
    parents = {str(up) for path in left for up in PurePosixPath(path).parents}
    context.run("rm", "--force", *left)
    for folder in sorted(parents.difference(context.state["before"]), reverse=True):
        context.run("rmdir", folder)
    return ()


def settings_kept(context: HostContext) -> Iterator[Finding]:
    """Edited settings are in the same files, and no second version is next to them."""
    for path in config_files(context.packages):
        yield from _edit_kept(context, path)
        extra = context.script('ls -d "$1".* 2>/dev/null || :', path).stdout.split()
        yield from (Finding(f"no other version of {path}", "a file", found) for found in extra)


def settings_kept_on_removal(context: HostContext) -> Iterator[Finding]:
    """After a removal edited settings are in the same files, or where rpm saves them."""
    for path in config_files(context.packages):
        yield from _edit_kept(context, path, f"{path}.rpmsave")


def _edit_kept(context: HostContext, *candidates: str) -> Iterator[Finding]:
    outputs = [context.run("cat", path).stdout for path in candidates]
    if not any(ADMIN_EDIT in output for output in outputs):
        yield Finding(f"the line {ADMIN_EDIT!r}", outputs[-1].strip() or "no such file, or empty", candidates[0])


def foreign_plugin_kept(context: HostContext) -> Iterator[Finding]:
    """Another vendor's plugin in the plugin folder is unchanged."""
    result = context.run("cat", _foreign_plugin(context))
    if result.stdout.strip() != FOREIGN_CONTENT:
        found = describe_output(result, "an empty file")
        yield Finding("another vendor's plugin, unchanged", found, _foreign_plugin(context))


def debian_plugins_intact(context: HostContext) -> Iterator[Finding]:
    """Debian's own CNI plugins are installed, with every file as packaged."""
    if not context.installed_versions([DEBIAN_PLUGINS]):
        yield Finding(f"{DEBIAN_PLUGINS} installed", "not installed any more")
    yield from files_as_packaged(DEBIAN_PLUGINS)(context)
