"""Checks of what scriptlets do to services: they leave the running kubelet alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubeparcel.reports.results import Finding
from kubeparcel.verify.layout import shell_parser
from kubeparcel.verify.layout.check_context import (
    CheckContext,
    CheckDefinition,
    group_findings,
    has_scripts,
)

_STARTS = {"start", "restart", "try-restart", "condrestart", "reload", "force-reload"} | {
    *("kill", "isolate", "reload-or-restart", "try-reload-or-restart")
}
_STOPS = {"stop", "disable", "mask"}
_ENABLES = {"enable", "preset", "unmask", "reenable"}
_SERVICE = {"service", "invoke-rc.d"}
SYSTEMCTL = {"systemctl", "deb-systemd-invoke", "deb-systemd-helper"}

_NEVER = re.compile(r"(?!)")

# The arguments of scriptlets, by whether it is a deb: dpkg names the moment (deb-postinst(5) and
# so on), rpm says how many versions will be there when it is done.
_REMOVAL = {
    True: re.compile(r"\b(remove|purge|deconfigure)\b|!= upgrade"),
    False: re.compile(r"^(?!not).* ((-eq|=|==) 0|-lt 1)\b|^case \$1 in 0$|^not.* -ge 1"),
}
_UPGRADE = {True: re.compile(r"(?<!!= )(?<!-)\bupgrade\b"), False: _NEVER}
_FIRST = {
    True: re.compile(r"-z \$\{?2|^not.* -n \$\{?2|^case \$2 in $"),
    False: re.compile(r"^(?!not).* ((-eq|=|==) 1|-lt 2)\b|^case \$1 in 1$|^not.* -gt 1"),
}


def _verb(command: shell_parser.Command) -> tuple[str, tuple[str, ...]]:
    """What a command does to units, and to which; empty when it is no such command."""
    plain = tuple(word for word in command.argv[1:] if not word.startswith("-"))
    if command.program in _SERVICE:
        return (plain[1] if len(plain) > 1 else ""), plain[:1]
    if command.program in SYSTEMCTL and plain:
        now = "--now" in command.argv
        verb = {"enable": "start", "disable": "stop"}.get(plain[0], plain[0]) if now else plain[0]
        return verb, plain[1:]
    return "", ()


def leaves_kubelet(subject: CheckContext) -> Iterator[Finding]:
    """Never start or restart the kubelet: its node is drained first, by a person."""
    for name, command in subject.script_commands:
        verb, _ = _verb(command)
        if verb in _STARTS:
            yield Finding(
                f"no {verb} of a service", command.command_line, f"{name} line {command.line}"
            )
        if command.program in ("kill", "killall", "pkill", "kubelet"):
            where = f"{name} line {command.line}"
            yield Finding("the running kubelet is left alone", command.command_line, where)


def stops_only_on_removal(subject: CheckContext) -> Iterator[Finding]:
    """Stop and disable at removal only, not at an upgrade."""
    for name, command in subject.script_commands:
        verb, _ = _verb(command)
        if verb in _STOPS and not _only(
            command, _REMOVAL[subject.is_deb], _UPGRADE[subject.is_deb]
        ):
            want = '"$1" = remove' if subject.is_deb else '"$1" -eq 0'
            yield Finding(
                f"only if [ {want} ]", command.command_line, f"{name} line {command.line}"
            )


def enables_once(subject: CheckContext) -> Iterator[Finding]:
    """Enable at the first installation only: what the administrator chose later stays."""
    for name, command in subject.script_commands:
        verb, _ = _verb(command)
        if verb in _ENABLES and not _only(command, _FIRST[subject.is_deb]):
            want = '-z "$2"' if subject.is_deb else '"$1" -eq 1'
            yield Finding(
                f"only if [ {want} ]",
                command.command_line,
                f"{name} line {command.line}",
                "Without it, an upgrade enables a kubelet that the administrator disabled.",
            )


def _only(
    command: shell_parser.Command, wanted: re.Pattern[str], never: re.Pattern[str] = _NEVER
) -> bool:
    """Whether the conditions around a command name that moment, and not another."""
    under = command.conditions
    return any(wanted.search(one) for one in under) and not any(never.search(one) for one in under)


def without_systemd(subject: CheckContext) -> Iterator[Finding]:
    """A host without systemd, or a container build, installs it just as well."""
    for name, command in subject.script_commands:
        guarded = any(
            "/run/systemd/system" in condition or "systemctl" in condition
            for condition in command.conditions
        )
        if command.program in SYSTEMCTL | _SERVICE and not (guarded or command.failure_handled):
            want = f"{command.command_line} || true, or inside if [ -d /run/systemd/system ]"
            yield Finding(want, command.command_line, f"{name} line {command.line}")


def reloads(subject: CheckContext) -> Iterator[Finding]:
    """Units and drop-ins are read again after they came, changed or went."""
    names = ("postinst", "postrm") if subject.is_deb else ("post", "postun")
    told = {
        name for name, command in subject.script_commands if _verb(command)[0] == "daemon-reload"
    }
    yield from group_findings(
        ("systemctl daemon-reload", "none", n) for n in names if n not in told
    )


def removes_obsolete(subject: CheckContext) -> Iterator[Finding]:
    """The old conffile of the other layout, which would mask the new one, is removed."""
    moments = ("preinst", "postinst", "postrm")
    helper = [(n, c) for n, c in subject.script_commands if c.program == "dpkg-maintscript-helper"]
    for path in subject.expected.obsolete_conffiles if subject.expected else ():
        for moment in moments:
            if not any(
                n == moment and "rm_conffile" in c.argv and path in c.argv for n, c in helper
            ):
                yield Finding(f"dpkg-maintscript-helper rm_conffile {path}", "none", moment)


def _services(subject: CheckContext) -> bool:
    """Whether a scriptlet has to do with services at all."""
    return any(command.program in SYSTEMCTL | _SERVICE for _, command in subject.script_commands)


RULES = (
    CheckDefinition(
        "scripts-leave-kubelet-running",
        79,
        "the kubelet is never started or restarted",
        leaves_kubelet,
        has_scripts,
    ),
    CheckDefinition(
        "scripts-stop-on-removal-only",
        79,
        "an upgrade does not stop the kubelet",
        stops_only_on_removal,
        _services,
    ),
    CheckDefinition(
        "scripts-enable-once",
        62,
        "only the first installation enables the kubelet",
        enables_once,
        _services,
    ),
    CheckDefinition(
        "scripts-without-systemd",
        48,
        "a host without systemd can install it",
        without_systemd,
        _services,
    ),
    CheckDefinition(
        "scripts-reload-systemd",
        0,
        "systemd learns of a changed unit or drop-in",
        reloads,
        lambda subject: subject.unit is not None or subject.drop_in is not None,
    ),
    CheckDefinition(
        "obsolete-drop-in-removed",
        63,
        "a stale drop-in of the other layout is removed",
        removes_obsolete,
        lambda subject: (
            subject.is_deb and bool(subject.expected and subject.expected.obsolete_conffiles)
        ),
    ),
)
