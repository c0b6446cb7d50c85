"""Checks of the drop-in that connects the kubelet with kubeadm, read as systemd reads it."""

from __future__ import annotations

from collections.abc import Iterator

from kubeparcel.packages.reader import Entry
from kubeparcel.reports.results import Finding
from kubeparcel.verify import systemd_unit
from kubeparcel.verify.kubelet_contract import (
    COMMAND_LINE,
    ENVIRONMENT,
    EXTRA_ARGS,
    KUBEADM_FLAGS_FILE,
    KUBELET,
    VARIABLES,
)
from kubeparcel.verify.layout.check_context import CheckContext, CheckDefinition

_SECTIONS = ("Unit", "Service", "Install")


def _read(subject: CheckContext) -> tuple[Entry, systemd_unit.UnitFile]:
    entry = subject.drop_in
    if entry is None:
        raise LookupError("these checks apply only where there is a drop-in")
    return entry, systemd_unit.parse_unit(entry.text)


def _at(entry: Entry, setting: systemd_unit.Setting | None) -> str:
    return f"{entry.path} line {setting.line}" if setting else entry.path


def parses(subject: CheckContext) -> Iterator[Finding]:
    """Every line is read by systemd, and none is outside a section it knows."""
    entry, unit = _read(subject)
    for line, text in unit.invalid_lines:
        yield Finding("KEY=VALUE in a section", text, f"{entry.path} line {line}")
    for setting in unit.settings:
        if setting.section not in _SECTIONS and not setting.section.startswith("X-"):
            yield Finding(
                f"one of [{'], ['.join(_SECTIONS)}]", f"[{setting.section}]", _at(entry, setting)
            )
    if not unit.assignments("Service", "ExecStart"):
        yield Finding("ExecStart= in [Service]", "none", entry.path)


def environment(subject: CheckContext) -> Iterator[Finding]:
    """It sets exactly the two variables that are always the same."""
    entry, unit = _read(subject)
    found: dict[str, str] = {}
    for setting in unit.effective_list("Service", "Environment"):
        for word in systemd_unit.split_words(setting.value):
            name, _, value = word.text.partition("=")
            found[name] = value
            if ENVIRONMENT.get(name) != value:
                want = f"{name}={ENVIRONMENT[name]}" if name in ENVIRONMENT else "not set here"
                yield Finding(want, word.text, _at(entry, setting))
    for name in ENVIRONMENT.keys() - found.keys():
        yield Finding(f'Environment="{name}={ENVIRONMENT[name]}"', "not set", entry.path)


def environment_files(subject: CheckContext) -> Iterator[Finding]:
    """First kubeadm's flags, then the administrator's file: what is read later wins."""
    entry, unit = _read(subject)
    settings = unit.effective_list("Service", "EnvironmentFile")
    found = [setting.value.removeprefix("-") for setting in settings]
    wants = [[KUBEADM_FLAGS_FILE, env_file] for env_file in subject.layout_paths.env_files]
    if found not in wants:
        yield Finding(
            " then ".join(wants[0]),
            " then ".join(found) or "no EnvironmentFile",
            _at(entry, settings[-1] if settings else None),
            f"The kubelet of this format has its environment file at {wants[0][1]}.",
        )


def environment_files_optional(subject: CheckContext) -> Iterator[Finding]:
    """Neither has to exist: both are written with a leading `-`."""
    entry, unit = _read(subject)
    for setting in unit.effective_list("Service", "EnvironmentFile"):
        if not setting.value.startswith("-"):
            yield Finding(f"EnvironmentFile=-{setting.value}", setting.value, _at(entry, setting))


def resets(subject: CheckContext) -> Iterator[Finding]:
    """One empty ExecStart= drops the unit's command, and one command follows."""
    entry, unit = _read(subject)
    found = unit.assignments("Service", "ExecStart")
    if [bool(setting.value) for setting in found] != [False, True]:
        values = [f"ExecStart={setting.value}" for setting in found] or ["no ExecStart"]
        yield Finding(
            "one empty ExecStart=, then one ExecStart= with the command",
            "\n".join(values),
            _at(entry, found[-1] if found else None),
            "Without the empty one, systemd refuses a service with two commands.",
        )


def _command(subject: CheckContext) -> tuple[str, str, tuple[systemd_unit.Word, ...]]:
    """Where the last command stands, its value, and its words."""
    entry, unit = _read(subject)
    last = next(reversed(unit.effective_list("Service", "ExecStart")), None)
    value = last.value if last else ""
    return _at(entry, last), value, systemd_unit.split_words(value)


def command(subject: CheckContext) -> Iterator[Finding]:
    """The kubelet with the four variables, in order and nothing else."""
    where, value, words = _command(subject)
    if [_plain(word.text) for word in words] != list(COMMAND_LINE):
        yield Finding(f"ExecStart={' '.join(COMMAND_LINE)}", f"ExecStart={value}", where)


def unquoted(subject: CheckContext) -> Iterator[Finding]:
    """Variables as bare words: only then are they split into several arguments."""
    where, _, words = _command(subject)
    for word in words:
        if _plain(word.text) in VARIABLES and word.raw != _plain(word.text):
            yield Finding(
                _plain(word.text), word.raw, where, "Quotes or braces keep it one argument."
            )


def extra_args_last(subject: CheckContext) -> Iterator[Finding]:
    """The administrator's arguments come last, and so win."""
    where, value, words = _command(subject)
    if not words or _plain(words[-1].text) != f"${EXTRA_ARGS}":
        yield Finding(
            f"…${EXTRA_ARGS} at the end of {KUBELET}'s arguments", f"ExecStart={value}", where
        )


def _plain(word: str) -> str:
    return f"${word[2:-1]}" if word.startswith("${") and word.endswith("}") else word


def _applies(subject: CheckContext) -> bool:
    return subject.drop_in is not None


RULES = (
    CheckDefinition(
        "drop-in-readable", 0, "systemd understands every line of the drop-in", parses, _applies
    ),
    CheckDefinition(
        "drop-in-environment", 0, "the drop-in sets the two fixed variables", environment, _applies
    ),
    CheckDefinition(
        "drop-in-environment-files",
        0,
        "kubeadm's flags are read first, then the administrator's file",
        environment_files,
        _applies,
    ),
    CheckDefinition(
        "drop-in-environment-files-optional",
        61,
        "the kubelet starts without the environment files too",
        environment_files_optional,
        _applies,
    ),
    CheckDefinition(
        "drop-in-resets-exec-start", 60, "the drop-in replaces the unit's command", resets, _applies
    ),
    CheckDefinition(
        "kubelet-command-line",
        60,
        "the kubelet gets the four variables in order",
        command,
        _applies,
    ),
    CheckDefinition(
        "kubelet-variables-split", 60, "variables become several arguments", unquoted, _applies
    ),
    CheckDefinition(
        "kubelet-extra-args-last",
        68,
        "the administrator's arguments win",
        extra_args_last,
        _applies,
    ),
)
