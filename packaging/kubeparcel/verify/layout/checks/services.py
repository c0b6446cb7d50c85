"""Checks of what scriptlets do to services: they leave a running kubelet alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubeparcel.reports.results import Finding
from kubeparcel.verify.layout.check_context import CheckContext, check, group_findings, has_scripts
from kubeparcel.verify.layout.shell_parser import Command

_START_VERBS = {"start", "restart", "try-restart", "condrestart", "reload", "force-reload"} | {
    *("kill", "isolate", "reload-or-restart", "try-reload-or-restart")
}
_STOP_VERBS = {"stop", "disable", "mask"}
_ENABLE_VERBS = {"enable", "preset", "unmask", "reenable"}
_KILL_PROGRAMS = {"kill", "killall", "pkill", "kubelet"}
_SERVICE = {"service", "invoke-rc.d"}
SYSTEMCTL = {"systemctl", "deb-systemd-invoke", "deb-systemd-helper"}

_NEVER = re.compile(r"(?!)")

# Conditions in scriptlets, for debs (True) and rpms (False). dpkg passes the action, such as
# `remove` (deb-postinst(5)); rpm passes the number of versions that remain installed.
_ON_REMOVAL = {
    True: re.compile(r"\b(remove|purge|deconfigure)\b|!= upgrade"),
    False: re.compile(r"^(?!not).* ((-eq|=|==) 0|-lt 1)\b|^case \$1 in 0$|^not.* -ge 1"),
}
_ON_UPGRADE = {True: re.compile(r"(?<!!= )(?<!-)\bupgrade\b"), False: _NEVER}
_ON_FIRST_INSTALLATION = {
    True: re.compile(r"-z \$\{?2|^not.* -n \$\{?2|^case \$2 in $"),
    False: re.compile(r"^(?!not).* ((-eq|=|==) 1|-lt 2)\b|^case \$1 in 1$|^not.* -gt 1"),
}


def _verb(command: Command) -> str:
    """Return what a command does to units, such as `start`; empty for other commands."""
    arguments = tuple(word for word in command.argv[1:] if not word.startswith("-"))
    if command.program in _SERVICE:
        return arguments[1] if len(arguments) > 1 else ""
    if command.program in SYSTEMCTL and arguments:
        with_now = {"enable": "start", "disable": "stop"} if "--now" in command.argv else {}
        return with_now.get(arguments[0], arguments[0])
    return ""


def _runs_only(command: Command, required: re.Pattern[str], excluded: re.Pattern[str] = _NEVER) -> bool:
    """Return whether the conditions of a command match `required` and not `excluded`."""
    return any(map(required.search, command.conditions)) and not any(map(excluded.search, command.conditions))


@check("scriptlets never start or restart the kubelet", applies=has_scripts)
def scripts_leave_kubelet_running(context: CheckContext) -> Iterator[Finding]:
    """Report commands that start, restart or kill services: nodes are drained manually first."""
    for command in context.script_commands:
        verb = _verb(command)
        if verb in _START_VERBS:
            yield Finding(f"no {verb} of a service", command.command_line, command.location)
        if command.program in _KILL_PROGRAMS:
            yield Finding("the running kubelet is left alone", command.command_line, command.location)


def _manages_services(context: CheckContext) -> bool:
    return any(command.program in SYSTEMCTL | _SERVICE for command in context.script_commands)


@check("scriptlets stop the kubelet only on removal", applies=_manages_services)
def scripts_stop_on_removal_only(context: CheckContext) -> Iterator[Finding]:
    """Report commands that stop or disable a service on upgrades too."""
    required, excluded = _ON_REMOVAL[context.is_deb], _ON_UPGRADE[context.is_deb]
    for command in context.script_commands:
        if _verb(command) in _STOP_VERBS and not _runs_only(command, required, excluded):
            condition = '"$1" = remove' if context.is_deb else '"$1" -eq 0'
            yield Finding(f"only if [ {condition} ]", command.command_line, command.location)


@check("scriptlets enable the kubelet only on the first installation", applies=_manages_services)
def scripts_enable_once(context: CheckContext) -> Iterator[Finding]:
    """Report commands that enable a service on upgrades, and so undo `systemctl disable`."""
    for command in context.script_commands:
        required = _ON_FIRST_INSTALLATION[context.is_deb]
        if _verb(command) in _ENABLE_VERBS and not _runs_only(command, required):
            condition = '-z "$2"' if context.is_deb else '"$1" -eq 1'
            yield Finding(
                f"only if [ {condition} ]",
                command.command_line,
                command.location,
                "Otherwise, an upgrade enables a kubelet that the administrator disabled.",
            )


@check("the package can be installed without systemd", applies=_manages_services)
def scripts_without_systemd(context: CheckContext) -> Iterator[Finding]:
    """Report service commands that fail without systemd, such as in a container build."""
    for command in context.script_commands:
        guarded = any(
            "/run/systemd/system" in condition or "systemctl" in condition for condition in command.conditions
        )
        manages_service = command.program in SYSTEMCTL | _SERVICE
        if manages_service and not (guarded or command.failure_handled):
            expected = f"{command.command_line} || true, or inside if [ -d /run/systemd/system ]"
            yield Finding(expected, command.command_line, command.location)


@check(
    "scriptlets reload systemd after changes of units and drop-ins",
    applies=lambda context: bool(context.unit or context.drop_in),
)
def scripts_reload_systemd(context: CheckContext) -> Iterator[Finding]:
    """Report scriptlets after installation and removal without `systemctl daemon-reload`."""
    required = ("postinst", "postrm") if context.is_deb else ("post", "postun")
    reloading = {command.script for command in context.script_commands if _verb(command) == "daemon-reload"}
    yield from group_findings(
        ("systemctl daemon-reload", "missing", name) for name in required if name not in reloading
    )


@check(
    "the other layout's drop-in is removed",
    applies=lambda context: context.is_deb and bool(context.expected.obsolete_conffiles),
)
def obsolete_drop_in_removed(context: CheckContext) -> Iterator[Finding]:
    """Report scriptlets that do not remove the other layout's conffile, which masks the new one."""
    removed = {
        (command.script, word)
        for command in context.script_commands
        if command.program == "dpkg-maintscript-helper" and "rm_conffile" in command.argv
        for word in command.argv
    }
    for path in context.expected.obsolete_conffiles:
        for name in ("preinst", "postinst", "postrm"):
            if (name, path) not in removed:
                yield Finding(f"dpkg-maintscript-helper rm_conffile {path}", "missing", name)
