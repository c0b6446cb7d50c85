"""Checks of the kubelet's unit and environment file."""

from __future__ import annotations

from collections.abc import Iterator

from kubeparcel.packages.reader import Entry
from kubeparcel.reports.results import Finding
from kubeparcel.verify import systemd_unit
from kubeparcel.verify.kubelet_contract import CONFIG_FILE, DROP_IN, EXTRA_ARGS, KUBELET
from kubeparcel.verify.layout.check_context import CheckContext, CheckDefinition

_EXACT = {
    ("Service", "ExecStart"): KUBELET,
    ("Service", "Restart"): "always",
    ("Install", "WantedBy"): "multi-user.target",
}
_LIMITS = (
    ("Unit", "StartLimitIntervalSec"),
    ("Unit", "StartLimitInterval"),
    ("Service", "StartLimitInterval"),
)
"""Where systemd looks for the limit; the last is the old place, which it still reads."""

_ONLINE = "network-online.target"


def _read(subject: CheckContext) -> tuple[Entry, systemd_unit.UnitFile]:
    entry = subject.unit
    if entry is None:
        raise LookupError("these checks apply only where there is a unit")
    return entry, systemd_unit.parse_unit(entry.text)


def _exactly(subject: CheckContext, section: str, key: str) -> Iterator[Finding]:
    entry, unit = _read(subject)
    settings = unit.effective_list(section, key)
    want = _EXACT[section, key]
    if [setting.value for setting in settings] != [want]:
        found = ", ".join(f"{key}={setting.value}" for setting in settings) or f"no {key}"
        where = f"{entry.path} line {settings[-1].line}" if settings else entry.path
        yield Finding(f"{key}={want} in [{section}]", found, where)


def readable(subject: CheckContext) -> Iterator[Finding]:
    """Every line is read by systemd."""
    entry, unit = _read(subject)
    for line, text in unit.invalid_lines:
        yield Finding("KEY=VALUE in a section", text, f"{entry.path} line {line}")


def command(subject: CheckContext) -> Iterator[Finding]:
    """The bare kubelet: the drop-in brings the arguments."""
    return _exactly(subject, "Service", "ExecStart")


def restart(subject: CheckContext) -> Iterator[Finding]:
    """It comes back whenever it ends, and systemd never gives up."""
    yield from _exactly(subject, "Service", "Restart")
    entry, unit = _read(subject)
    values = [last.value for place in _LIMITS if (last := unit.effective_value(*place))]
    if "0" not in values:
        found = ", ".join(values) or "systemd's limit of 5 starts in 10 s"
        yield Finding("StartLimitIntervalSec=0 in [Unit]", found, entry.path)
    pause = unit.effective_value("Service", "RestartSec")
    if pause is None:
        yield Finding("RestartSec=10", "systemd's 0.1 s", entry.path)


def enabled(subject: CheckContext) -> Iterator[Finding]:
    """It starts with the system."""
    return _exactly(subject, "Install", "WantedBy")


def network(subject: CheckContext) -> Iterator[Finding]:
    """It waits for the network."""
    entry, unit = _read(subject)
    for key in ("Wants", "After"):
        values = " ".join(setting.value for setting in unit.effective_list("Unit", key)).split()
        if _ONLINE not in values:
            yield Finding(f"{key}={_ONLINE} in [Unit]", " ".join(values) or f"no {key}", entry.path)


def waits(subject: CheckContext) -> Iterator[Finding]:
    """Beside kubeadm's drop-in it starts only once its configuration is there, else at once."""
    entry, unit = _read(subject)
    found = unit.effective_list("Unit", "ConditionPathExists")
    values = sorted(setting.value.replace(" ", "") for setting in found)
    wants = [
        sorted([f"|{CONFIG_FILE}", f"|!{folder}/{DROP_IN}"])
        for folder in subject.layout_paths.drop_in_dirs
    ]
    if values not in wants:
        yield Finding(
            "\n".join(f"ConditionPathExists={value}" for value in reversed(wants[0])),
            "\n".join(f"ConditionPathExists={value}" for value in values) or "no condition",
            f"{entry.path} line {found[0].line}" if found else entry.path,
        )


def not_in_etc(subject: CheckContext) -> Iterator[Finding]:
    """/etc belongs to the administrator: a unit there masks every other."""
    entry, _ = _read(subject)
    if entry.path.startswith("/etc/"):
        yield Finding("the unit below /lib or /usr/lib", "a unit in /etc", entry.path)


def env_file(subject: CheckContext) -> Iterator[Finding]:
    """It sets KUBELET_EXTRA_ARGS and nothing else."""
    entry = subject.env_file
    if entry is None:
        return
    found = systemd_unit.parse_environment_file(entry.text)
    if not any(name == EXTRA_ARGS for name, _, _ in found):
        yield Finding(f"{EXTRA_ARGS}=", "not set", entry.path)
    for name, _, line in found:
        if name != EXTRA_ARGS:
            yield Finding(f"only {EXTRA_ARGS}", name, f"{entry.path} line {line}")


def _applies(subject: CheckContext) -> bool:
    return subject.unit is not None


def _should_wait(subject: CheckContext) -> bool:
    """Ours does; the official one ends and is started again every ten seconds."""
    if subject.unit is None:
        return False
    return subject.built_by_kubeparcel or bool(
        _read(subject)[1].assignments("Unit", "ConditionPathExists")
    )


RULES = (
    CheckDefinition(
        "unit-readable", 0, "systemd understands every line of the unit", readable, _applies
    ),
    CheckDefinition("unit-exec-start", 0, "the unit runs the kubelet", command, _applies),
    CheckDefinition("unit-restart", 0, "the kubelet always comes back", restart, _applies),
    CheckDefinition(
        "unit-enabled", 62, "it can be enabled, and starts with the system", enabled, _applies
    ),
    CheckDefinition("unit-network", 0, "the kubelet waits for the network", network, _applies),
    CheckDefinition(
        "unit-waits-for-config", 64, "before kubeadm init it waits quietly", waits, _should_wait
    ),
    CheckDefinition(
        "unit-not-in-etc", 63, "the unit leaves /etc to the administrator", not_in_etc, _applies
    ),
    CheckDefinition(
        "env-file",
        0,
        "the environment file sets the administrator's arguments only",
        env_file,
        lambda subject: subject.env_file is not None,
    ),
)
