"""Assertions about the kubelet's unit: what systemd has read, and whether it is enabled."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.reports.results import Finding
from kubeparcel.verify.kubelet import (
    KubeletFiles,
    assert_unit_properties,
    parse_commands,
    parse_environment_files,
    unit_properties,
)
from kubeparcel.verify.kubelet_contract import COMMAND_LINE, KUBEADM_FLAGS_FILE, UNIT
from kubeparcel.verify.scenario import HostContext, StepFunction


def unit_is_valid(context: HostContext, unit: str = UNIT) -> Iterator[Finding]:
    """`systemd-analyze verify` reports no problem with a unit and its drop-ins."""
    result = context.run("systemd-analyze", "verify", unit)
    lines = f"{result.stdout}{result.stderr}".splitlines()
    problems = [line for line in lines if unit.removesuffix(".service") in line]
    if result.exit_code or problems:
        found = "\n".join(problems) or f"exit code {result.exit_code}"
        yield Finding("no problem from systemd-analyze verify", found, unit)


def unit_files_are_packaged(context: HostContext) -> Iterator[Finding]:
    """Systemd has read the unit and the drop-in of the packages under test, and no other."""
    yield from unit_files_of(context, context.packages)


def unit_files_of(context: HostContext, packages: PackageSet) -> Iterator[Finding]:
    """Systemd has read the unit and the drop-in of a package set, and no other."""
    expected = KubeletFiles.of(packages)
    context.run("systemctl", "cat", UNIT)
    properties = unit_properties(context, "FragmentPath", "DropInPaths")
    unit = properties.get("FragmentPath", "")
    drop_ins = _usr_merged(*properties.get("DropInPaths", "").split())
    if _usr_merged(unit) != _usr_merged(expected.unit):
        yield Finding(expected.unit or "a packaged unit", unit or "no unit", UNIT)
    if drop_ins != _usr_merged(expected.drop_in):
        found = " ".join(drop_ins) or "no drop-in"
        yield Finding(expected.drop_in or "a packaged drop-in", found, f"{UNIT}.d")


def _usr_merged(*paths: str) -> list[str]:
    """Return paths with /lib as /usr/lib, where it is a link to that on most hosts."""
    return [re.sub(r"^/lib/", "/usr/lib/", path) for path in paths if path]


def exec_start_is_exact(context: HostContext) -> Iterator[Finding]:
    """ExecStart= is one command: the kubelet with the four variables, in order."""
    commands = parse_commands(unit_properties(context, "ExecStart").get("ExecStart", ""))
    expected = " ".join(COMMAND_LINE)
    if commands != [expected]:
        yield Finding(expected, "\n".join(commands) or "no command", f"{UNIT} ExecStart")


def environment_files_in_order(context: HostContext) -> Iterator[Finding]:
    """Kubeadm's flags are read first, the administrator's file last; both are optional."""
    property_ = unit_properties(context, "EnvironmentFiles").get("EnvironmentFiles", "")
    expected = [KUBEADM_FLAGS_FILE, KubeletFiles.of(context.packages).env_file]
    if parse_environment_files(property_) != expected:
        where = f"{UNIT} EnvironmentFile"
        yield Finding(" then ".join(expected) + ", both optional", property_ or "none", where)


def nothing_overrides_packages(context: HostContext) -> Iterator[Finding]:
    """Nothing in /etc or /run overrides or masks the unit, except the packaged drop-in."""
    yield from nothing_overrides(context, context.packages)


def nothing_overrides(context: HostContext, packages: PackageSet) -> Iterator[Finding]:
    """Nothing in /etc or /run overrides the unit, except the drop-in of a package set."""
    result = context.script(
        'find /etc/systemd /run/systemd /usr/local/lib/systemd \\( -name "$1" -o '
        '-path "*/$1.d/*.conf" \\) ! -path "*.wants/*" 2>/dev/null || :',
        UNIT,
    )
    for path in result.stdout.splitlines():
        if path != KubeletFiles.of(packages).drop_in:
            yield Finding("no file that overrides the packages' own", "a file", path)


def enabled_as_preset(context: HostContext, unit: str = UNIT) -> Iterator[Finding]:
    """A unit is enabled or disabled as the host's presets say."""
    result = context.run("systemctl", "list-unit-files", "--output=json", unit)
    units = json.loads(result.stdout or "[]")
    if not units:
        yield Finding("a unit", "systemctl lists none", unit)
    elif units[0]["state"] != units[0]["preset"]:
        yield Finding(f"{units[0]['preset']}, by its preset", str(units[0]["state"]), unit)


def enablement_is(state: str) -> StepFunction:
    """Return a step that expects a state from `systemctl is-enabled`."""

    def check(context: HostContext) -> Iterator[Finding]:
        found = context.run("systemctl", "is-enabled", UNIT).stdout.strip()
        if found != state:
            yield Finding(state, found or "no state", f"systemctl is-enabled {UNIT}")

    return check


def waits_for_kubeadm(context: HostContext) -> Iterator[Finding]:
    """Started before kubeadm has written its configuration, the kubelet does not run or fail."""
    context.run("systemctl", "start", UNIT)
    yield from assert_unit_properties(
        context, ActiveState="inactive", ConditionResult="no", ExecMainStartTimestampMonotonic="0", NRestarts="0"
    )
