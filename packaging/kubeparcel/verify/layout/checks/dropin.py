"""Checks of kubeadm's drop-in for the kubelet's unit, parsed as systemd parses it."""

from __future__ import annotations

import functools
from collections.abc import Iterator

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
from kubeparcel.verify.layout.check_context import CheckContext, check, invalid_lines, locate, parse_entry

_SECTIONS = ("Unit", "Service", "Install")

_check = functools.partial(check, applies=lambda context: context.drop_in is not None)


@_check("systemd accepts every line of the drop-in")
def drop_in_readable(context: CheckContext) -> Iterator[Finding]:
    """Report lines and sections that systemd ignores, and a drop-in without ExecStart=."""
    path, unit = parse_entry(context.drop_in)
    yield from invalid_lines(path, unit)
    for setting in unit.settings:
        if setting.section not in _SECTIONS and not setting.section.startswith("X-"):
            yield Finding(f"one of [{'], ['.join(_SECTIONS)}]", f"[{setting.section}]", locate(path, setting))
    if not unit.assignments("Service", "ExecStart"):
        yield Finding("ExecStart= in [Service]", "missing", path)


@_check("the drop-in sets exactly kubeadm's two fixed variables")
def drop_in_environment(context: CheckContext) -> Iterator[Finding]:
    """Report missing, additional and different assignments in Environment=."""
    path, unit = parse_entry(context.drop_in)
    names: set[str] = set()
    for setting in unit.effective_list("Service", "Environment"):
        for word in systemd_unit.split_words(setting.value):
            name, _, value = word.text.partition("=")
            names.add(name)
            if ENVIRONMENT.get(name) != value:
                expected = f"{name}={ENVIRONMENT[name]}" if name in ENVIRONMENT else "not set"
                yield Finding(expected, word.text, locate(path, setting))
    for name in ENVIRONMENT.keys() - names:
        yield Finding(f'Environment="{name}={ENVIRONMENT[name]}"', "not set", path)


@_check("the drop-in reads kubeadm's flags first, then the administrator's file")
def drop_in_environment_files(context: CheckContext) -> Iterator[Finding]:
    """Report missing, additional and swapped EnvironmentFile=: the last file takes precedence."""
    path, unit = parse_entry(context.drop_in)
    settings = unit.effective_list("Service", "EnvironmentFile")
    found = [setting.value.removeprefix("-") for setting in settings]
    allowed = [[KUBEADM_FLAGS_FILE, env_file] for env_file in context.layout_paths.env_files]
    if found not in allowed:
        yield Finding(
            " then ".join(allowed[0]),
            " then ".join(found) or "no EnvironmentFile=",
            locate(path, settings[-1] if settings else None),
            f"In this package format, the kubelet's environment file is {allowed[0][1]}.",
        )


@_check("the kubelet starts if the environment files are missing")
def drop_in_environment_files_optional(context: CheckContext) -> Iterator[Finding]:
    """Report EnvironmentFile= without a leading `-`: the service fails if the file is missing."""
    path, unit = parse_entry(context.drop_in)
    for setting in unit.effective_list("Service", "EnvironmentFile"):
        if not setting.value.startswith("-"):
            yield Finding(f"EnvironmentFile=-{setting.value}", setting.value, locate(path, setting))


@_check("the drop-in replaces the unit's command")
def drop_in_resets_exec_start(context: CheckContext) -> Iterator[Finding]:
    """Report anything but an empty ExecStart= followed by one ExecStart= with the command."""
    path, unit = parse_entry(context.drop_in)
    settings = unit.assignments("Service", "ExecStart")
    if [bool(setting.value) for setting in settings] != [False, True]:
        lines = [f"ExecStart={setting.value}" for setting in settings] or ["no ExecStart="]
        yield Finding(
            "one empty ExecStart=, then one ExecStart= with the command",
            "\n".join(lines),
            locate(path, settings[-1] if settings else None),
            "Without the empty ExecStart=, systemd rejects a service with two commands.",
        )


def _command_line(context: CheckContext) -> tuple[str, str, tuple[systemd_unit.Word, ...]]:
    """Return the location of the effective command, its value, and its words."""
    path, unit = parse_entry(context.drop_in)
    last = next(reversed(unit.effective_list("Service", "ExecStart")), None)
    value = last.value if last else ""
    return locate(path, last), value, systemd_unit.split_words(value)


@_check("the kubelet's command line has the four variables in order")
def kubelet_command_line(context: CheckContext) -> Iterator[Finding]:
    """Report a command line other than the one that kubeadm documents."""
    location, value, words = _command_line(context)
    if [_without_braces(word.text) for word in words] != list(COMMAND_LINE):
        yield Finding(f"ExecStart={' '.join(COMMAND_LINE)}", f"ExecStart={value}", location)


@_check("systemd splits each variable into several arguments")
def kubelet_variables_split(context: CheckContext) -> Iterator[Finding]:
    """Report variables in quotes or braces, which systemd passes as a single argument."""
    location, _, words = _command_line(context)
    for word in words:
        variable = _without_braces(word.text)
        if variable in VARIABLES and word.raw != variable:
            hint = "With quotes or braces, the value is passed as a single argument."
            yield Finding(variable, word.raw, location, hint)


@_check("the administrator's arguments override all others")
def kubelet_extra_args_last(context: CheckContext) -> Iterator[Finding]:
    """Report a command line that does not end with $KUBELET_EXTRA_ARGS: the last flag wins."""
    location, value, words = _command_line(context)
    if not words or _without_braces(words[-1].text) != f"${EXTRA_ARGS}":
        yield Finding(f"…${EXTRA_ARGS} at the end of {KUBELET}'s arguments", f"ExecStart={value}", location)


def _without_braces(word: str) -> str:
    return f"${word[2:-1]}" if word.startswith("${") and word.endswith("}") else word
