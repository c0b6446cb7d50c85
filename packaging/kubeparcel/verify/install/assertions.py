"""What must hold on a host: questions about a container in the state it is in by then."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import TypeAlias

from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.reports.results import Finding
from kubeparcel.templates import render
from kubeparcel.verify import kubelet_contract
from kubeparcel.verify.filesystem_snapshot import compare_snapshots, take_snapshot
from kubeparcel.verify.package_expectations import binaries, completed_programs, config_files
from kubeparcel.verify.scenario import HostContext, StepFunction

VERSION_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "kubeadm": ("version",),
    "kubelet": ("--version",),
    "kubectl": ("version", "--client"),
    "crictl": ("--version",),
}
"""How a program is asked for its version; a CNI plugin says it when it is asked nothing."""

FOREIGN_PLUGIN = f"{kubelet_contract.CNI_BIN_DIR}/somebodys-plugin"
ADMIN_EDIT = "# edited by the administrator"
DEBIAN_PLUGINS = "containernetworking-plugins"
"""Debian's own package of CNI plugins."""


NoFindings: TypeAlias = tuple[()]
"""What a step gives that is no judgement: it does or remembers something for those after it."""


def remember(note: str) -> Callable[[HostContext], NoFindings]:
    """The whole host as it is now, to compare with later."""

    def remembered(trial: HostContext) -> NoFindings:
        trial.state[note] = take_snapshot(trial.container)
        return ()

    return remembered


def as_in(note: str) -> StepFunction:
    """The whole host is as it was when it was remembered."""

    def compared(trial: HostContext) -> Iterator[Finding]:
        before = trial.state[note]
        assert isinstance(before, dict)  # noqa: S101 - remember() put it there
        after = take_snapshot(trial.container)
        found = list(compare_snapshots(before, after))
        lines = [f"{f.location}: {f.expected} → {f.found}" for f in found] or ["no difference"]
        trial.evidence[f"{len(after)} paths compared"] = "\n".join(lines[:50])
        yield from found

    return compared


def verify(trial: HostContext) -> Iterator[Finding]:
    """The package manager finds every file as it was packaged; edited settings do not count."""
    done = trial.run(
        *trial.package_manager.argv(trial.package_manager.verify, trial.packages.names)
    )
    for line in f"{done.stdout}{done.stderr}".splitlines():
        if not re.match(r"\S+ +c ", line):
            yield Finding("as packaged", line)


def programs(trial: HostContext) -> Iterator[Finding]:
    """Every program runs, and is the version that its package says."""
    yield from programs_of(trial, trial.packages)


def earlier_programs(trial: HostContext) -> Iterator[Finding]:
    """Every program is that of the earlier packages again."""
    assert trial.previous  # noqa: S101 - the scenario applies only then
    yield from programs_of(trial, trial.previous)


def programs_of(trial: HostContext, packages: PackageSet, only: str = "") -> Iterator[Finding]:
    """The programs of a set, or of one package in it, run and say its version."""
    asked = {
        path: package
        for path, package in binaries(packages).items()
        if only in ("", package.name)
        and (_plugin(path) or PurePosixPath(path).name in VERSION_ARGUMENTS)
    }
    commands = [(path, *VERSION_ARGUMENTS.get(PurePosixPath(path).name, ())) for path in asked]
    for done in trial.run_each(commands):
        wanted = asked[done.argv[0]].version.replace("~", "-", 1)
        if not re.search(rf"(?<![\w.])v?{re.escape(wanted)}(?![\w.+-])", done.stdout):
            said = done.stdout[:300] or f"exit code {done.exit_code}"
            yield Finding(f"it says {wanted}", said, done.argv[0])


def _plugin(path: str) -> bool:
    return path.startswith(f"{kubelet_contract.CNI_BIN_DIR}/")


def completions(trial: HostContext) -> Iterator[Finding]:
    """Bash loads the completions, and knows the function they name."""
    text = render("hosts/completion.sh", {})
    for name in completed_programs(trial.packages):
        done = trial.run("bash", "-c", text, "bash", name)
        if done.exit_code or f" {name}" not in done.stdout:
            said = (done.stderr or done.stdout).strip()
            yield Finding(f"complete -F … {name}", said[-300:] or f"exit code {done.exit_code}")


def read_only(trial: HostContext) -> Iterator[Finding]:
    """With /usr and /opt read-only every program still runs."""
    mounted = trial.script(
        "for at in /usr /opt; do mount --bind $at $at; mount -o remount,ro,bind $at; done; "
        "! touch /usr/written /opt/written 2>/dev/null"
    )
    if mounted.exit_code:
        yield Finding("a host with a read-only /usr", mounted.stderr.strip())
    yield from programs_of(trial, trial.packages)
    trial.script("umount --lazy /usr /opt")


def gone(trial: HostContext) -> Iterator[Finding]:
    """Not installed any more, and no program is left."""
    for name, version in trial.installed_versions(trial.packages.names).items():
        yield Finding("not installed", f"{name} {version}")
    for done in trial.run_each([("test", "!", "-e", path) for path in binaries(trial.packages)]):
        if done.exit_code:
            yield Finding("nothing there", "a program", done.argv[-1])


def settings_kept(trial: HostContext) -> Iterator[Finding]:
    """What the administrator wrote is there, in the same place, and no second file beside it."""
    for path in config_files(trial.packages):
        yield from _edited(trial, path, (path,))
        beside = trial.script('ls -d "$1".* 2>/dev/null || :', path).stdout.split()
        yield from (Finding("no other file beside it", found, path) for found in beside)


def settings_saved(trial: HostContext) -> Iterator[Finding]:
    """After a removal what the administrator wrote is there, or where rpm saves it."""
    for path in config_files(trial.packages):
        yield from _edited(trial, path, (path, f"{path}.rpmsave"))


def _edited(trial: HostContext, path: str, places: tuple[str, ...]) -> Iterator[Finding]:
    for place in places:
        found = trial.run("cat", place)
        if ADMIN_EDIT in found.stdout:
            return
    yield Finding("the administrator's edit", found.stdout.strip() or "nothing there", path)


def foreign_kept(trial: HostContext) -> Iterator[Finding]:
    """Somebody's plugin in the folder of plugins is untouched."""
    found = trial.run("cat", FOREIGN_PLUGIN)
    if found.stdout != "theirs\n":
        yield Finding("somebody's plugin", found.stderr.strip() or found.stdout, FOREIGN_PLUGIN)


def neighbour_intact(trial: HostContext) -> Iterator[Finding]:
    """Debian's own CNI plugins are as Debian packaged them."""
    if not trial.installed_versions([DEBIAN_PLUGINS]):
        yield Finding(f"{DEBIAN_PLUGINS} installed", "not installed any more")
    done = trial.run(*trial.package_manager.argv(trial.package_manager.verify, [DEBIAN_PLUGINS]))
    yield from (Finding("as packaged", line) for line in done.stdout.splitlines())
