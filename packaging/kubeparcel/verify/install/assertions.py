"""Assertions about a host: each yields a finding for whatever is not as expected."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import TypeAlias

from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.reports.results import Finding
from kubeparcel.templates import render
from kubeparcel.verify.filesystem_snapshot import compare_snapshots, take_snapshot
from kubeparcel.verify.package_expectations import binaries, completed_programs, config_files
from kubeparcel.verify.package_steps import files_as_packaged
from kubeparcel.verify.scenario import HostContext, StepFunction

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
        before = context.state[label]
        assert isinstance(before, dict)  # noqa: S101 - record_files() put it there
        after = take_snapshot(context.container)
        findings = list(compare_snapshots(before, after))
        changes = [f"{f.location}: {f.expected} → {f.found}" for f in findings] or ["no difference"]
        context.evidence[f"{len(after)} paths compared"] = "\n".join(changes[:CHANGES_SHOWN])
        yield from findings

    return compare


def programs_report_versions(context: HostContext) -> Iterator[Finding]:
    """Every program runs and reports its package's version."""
    yield from program_versions(context, context.packages)


def programs_report_previous_versions(context: HostContext) -> Iterator[Finding]:
    """Every program reports the version of the previous packages."""
    yield from program_versions(context, context.previous_packages)


def program_versions(context: HostContext, packages: PackageSet, only: str = "") -> Iterator[Finding]:
    """The programs of a set, or of `only` one package in it, report their package's version."""
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
            output = result.stdout[:300] or f"no output, exit code {result.exit_code}"
            yield Finding(f"version {version} in the output", output, path)


def foreign_plugin(packages: PackageSet) -> str:
    """Return the path of another vendor's plugin next to the packages' own."""
    return f"{packages.cni_bin_dir}/other-vendors-plugin"


def completions_load(context: HostContext) -> Iterator[Finding]:
    """Bash loads the completions, and the function that they name exists."""
    text = render("hosts/completion.sh", {})
    for name in completed_programs(context.packages):
        result = context.run("bash", "-c", text, "bash", name)
        if result.exit_code or f" {name}" not in result.stdout:
            output = (result.stderr or result.stdout).strip()[-300:]
            found = output or f"no output, exit code {result.exit_code}"
            yield Finding(f"complete -F FUNCTION {name}", found, f"completions of {name}")


def programs_run_on_read_only_usr(context: HostContext) -> Iterator[Finding]:
    """With /usr and /opt mounted read-only, every program still runs."""
    mounted = context.script(
        "for at in /usr /opt; do mount --bind $at $at; mount -o remount,ro,bind $at; done; "
        "! touch /usr/written /opt/written 2>/dev/null"
    )
    if mounted.exit_code:
        found = mounted.stderr.strip() or "they are still writable"
        yield Finding("/usr and /opt mounted read-only", found)
    yield from program_versions(context, context.packages)
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


def settings_kept(context: HostContext) -> Iterator[Finding]:
    """Edited settings are in the same files, and no second version is next to them."""
    for path in config_files(context.packages):
        yield from _edit_kept(context, path, (path,))
        extra = context.script('ls -d "$1".* 2>/dev/null || :', path).stdout.split()
        yield from (Finding(f"no other version of {path}", "a file", found) for found in extra)


def settings_kept_on_removal(context: HostContext) -> Iterator[Finding]:
    """After a removal edited settings are in the same files, or where rpm saves them."""
    for path in config_files(context.packages):
        yield from _edit_kept(context, path, (path, f"{path}.rpmsave"))


def _edit_kept(context: HostContext, path: str, candidates: tuple[str, ...]) -> Iterator[Finding]:
    output = ""
    for candidate in candidates:
        output = context.run("cat", candidate).stdout
        if ADMIN_EDIT in output:
            return
    yield Finding(f"the line {ADMIN_EDIT!r}", output.strip() or "no such file, or empty", path)


def foreign_plugin_kept(context: HostContext) -> Iterator[Finding]:
    """Another vendor's plugin in the plugin folder is unchanged."""
    plugin = foreign_plugin(context.packages)
    result = context.run("cat", plugin)
    if result.stdout.strip() != FOREIGN_CONTENT:
        found = result.stderr.strip() or result.stdout.strip() or "an empty file"
        yield Finding("another vendor's plugin, unchanged", found, plugin)


def debian_plugins_intact(context: HostContext) -> Iterator[Finding]:
    """Debian's own CNI plugins are installed, with every file as packaged."""
    if not context.installed_versions([DEBIAN_PLUGINS]):
        yield Finding(f"{DEBIAN_PLUGINS} installed", "not installed any more")
    yield from files_as_packaged(DEBIAN_PLUGINS)(context)
