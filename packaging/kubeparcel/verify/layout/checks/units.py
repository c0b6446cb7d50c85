"""Checks of the kubelet's unit and environment file."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from kubeparcel.reports.results import Finding
from kubeparcel.verify import systemd_unit
from kubeparcel.verify.kubelet_contract import CONFIG_FILE, DROP_IN, DROP_IN_DIR, EXTRA_ARGS, KUBELET, OTHER_DROP_INS
from kubeparcel.verify.layout.check_context import CheckContext, check, invalid_lines, locate, parse_entry

_EXACT = {
    ("Service", "ExecStart"): KUBELET,
    ("Service", "Restart"): "always",
    ("Install", "WantedBy"): "multi-user.target",
}
_START_LIMITS = (("Unit", "StartLimitIntervalSec"), ("Unit", "StartLimitInterval"), ("Service", "StartLimitInterval"))
"""The settings of the start limit; systemd still accepts the two old ones."""

_CONDITIONS = ("ConditionPathExists", "ConditionPathExistsGlob")
_CONFIGURED = (
    f"ConditionPathExists=|{CONFIG_FILE}",
    *(f"ConditionPathExistsGlob=|/etc/systemd/system/{DROP_IN_DIR}/{pattern}" for pattern in OTHER_DROP_INS),
)
"""Conditions that are met once the kubelet has a configuration: kubeadm's, or one of the administrator's."""

_ONLINE = "network-online.target"

_check = functools.partial(check, applies=lambda context: context.unit is not None)


def _has_exactly(context: CheckContext, section: str, key: str) -> Iterator[Finding]:
    path, unit = parse_entry(context.unit)
    settings = unit.effective_list(section, key)
    expected = _EXACT[section, key]
    if [setting.value for setting in settings] != [expected]:
        found = ", ".join(f"{key}={setting.value}" for setting in settings) or f"no {key}="
        location = locate(path, settings[-1] if settings else None)
        yield Finding(f"{key}={expected} in [{section}]", found, location)


@_check("systemd accepts every line of the unit")
def unit_readable(context: CheckContext) -> Iterator[Finding]:
    """Report lines that systemd ignores."""
    path, unit = parse_entry(context.unit)
    yield from invalid_lines(path, unit)


@_check("the unit runs the kubelet without arguments")
def unit_exec_start(context: CheckContext) -> Iterator[Finding]:
    """Report another command, and arguments: those belong in the drop-in."""
    return _has_exactly(context, "Service", "ExecStart")


@_check("systemd always restarts the kubelet")
def unit_restart(context: CheckContext) -> Iterator[Finding]:
    """Report settings with which systemd stops restarting the kubelet, or restarts it too fast."""
    yield from _has_exactly(context, "Service", "Restart")
    path, unit = parse_entry(context.unit)
    limits = [setting.value for key in _START_LIMITS if (setting := unit.effective_value(*key))]
    if "0" not in limits:
        found = ", ".join(limits) or "systemd's default of 5 starts in 10 s"
        yield Finding("StartLimitIntervalSec=0 in [Unit]", found, path)
    if unit.effective_value("Service", "RestartSec") is None:
        yield Finding("RestartSec=10", "systemd's default of 0.1 s", path)


@_check("the unit can be enabled, and starts at boot")
def unit_enabled(context: CheckContext) -> Iterator[Finding]:
    """Report a WantedBy= other than multi-user.target."""
    return _has_exactly(context, "Install", "WantedBy")


@_check("the kubelet starts after the network is online")
def unit_network(context: CheckContext) -> Iterator[Finding]:
    """Report Wants= or After= without network-online.target."""
    path, unit = parse_entry(context.unit)
    for key in ("Wants", "After"):
        targets = " ".join(setting.value for setting in unit.effective_list("Unit", key)).split()
        if _ONLINE not in targets:
            yield Finding(f"{key}={_ONLINE} in [Unit]", " ".join(targets) or f"no {key}=", path)


def _should_wait_for_config(context: CheckContext) -> bool:
    """Apply to units of kubeparcel, and to others with a condition.

    The official unit has none: before `kubeadm init` it fails and restarts every ten seconds.
    """
    if context.unit is None:
        return False
    _, unit = parse_entry(context.unit)
    return context.built_by_kubeparcel or bool(unit.assignments("Unit", "ConditionPathExists"))


@check("before kubeadm init, the kubelet does not start", applies=_should_wait_for_config)
def unit_waits_for_config(context: CheckContext) -> Iterator[Finding]:
    """Report other conditions than: a configuration exists, kubeadm's drop-in does not, or another one does."""
    path, unit = parse_entry(context.unit)
    settings = [setting for key in _CONDITIONS for setting in unit.effective_list("Unit", key)]
    found = sorted(f"{setting.key}={setting.value.replace(' ', '')}" for setting in settings)
    allowed = [
        sorted([*_CONFIGURED, f"ConditionPathExists=|!{folder}/{DROP_IN}"])
        for folder in context.layout_paths.drop_in_dirs
    ]
    if found not in allowed:
        location = locate(path, settings[0] if settings else None)
        yield Finding("\n".join(allowed[0]), "\n".join(found) or "no condition", location)


@_check("the unit is not in /etc")
def unit_not_in_etc(context: CheckContext) -> Iterator[Finding]:
    """Report a unit in /etc, which belongs to the administrator and masks all other units."""
    path, _ = parse_entry(context.unit)
    if path.startswith("/etc/"):
        yield Finding("the unit in /lib or /usr/lib", "the unit in /etc", path)


@check(
    "the environment file sets KUBELET_EXTRA_ARGS and nothing else, to one value",
    applies=lambda context: context.env_file is not None,
)
def env_file(context: CheckContext) -> Iterator[Finding]:
    """Report a missing KUBELET_EXTRA_ARGS, other variables, and quoted parts that systemd joins to one argument."""
    entry = context.env_file
    if entry is None:
        return
    variables = systemd_unit.parse_environment_file(entry.text)
    if not any(name == EXTRA_ARGS for name, _, _ in variables):
        yield Finding(f"{EXTRA_ARGS}=", "not set", entry.path)
    for name, _, line in variables:
        if name != EXTRA_ARGS:
            yield Finding(f"only {EXTRA_ARGS}", name, f"{entry.path} line {line}")
    for name in systemd_unit.joined_variables(entry.text):
        yield Finding("quotes around the whole value", f"{name} in parts, which systemd joins", entry.path)
