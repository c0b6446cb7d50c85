"""Checks of the scriptlets as programs: they run on every host, do not fail, harm no one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from kubeparcel.process import run
from kubeparcel.reports.results import Finding
from kubeparcel.verify.kubelet_contract import CNI_BIN_DIR
from kubeparcel.verify.layout import shell_parser
from kubeparcel.verify.layout.check_context import (
    SHELLS,
    CheckContext,
    CheckDefinition,
    exact,
    has_scripts,
)
from kubeparcel.verify.layout.checks.services import SYSTEMCTL

_BASHISMS = re.compile(
    r"\[\[|(^|[;&|\s])(function\s|source\s|declare\s|pushd\s|let\s)|<<<|&>|\$'|\$\{\w+[\^,@/]|"
    r"\[ [^\]\n]*\s==\s|\w+\+?=\("
)


def interpreter(subject: CheckContext) -> Iterator[Finding]:
    """A shell that is on every host."""
    for name, script in subject.contents.scripts.items():
        if script.interpreter.split(" ")[0] not in (*SHELLS, "<lua>"):
            yield Finding("/bin/sh", script.interpreter or "no interpreter", name)


def parses(subject: CheckContext) -> Iterator[Finding]:
    """The shell understands it."""
    for name, script in subject.contents.scripts.items():
        if script.interpreter.split(" ")[0] in SHELLS:
            done = run(["/bin/sh", "-n"], stdin=script.body, check=False)
            if done.exit_code:
                yield Finding("a script that sh -n accepts", done.stderr.strip(), name)


def posix(subject: CheckContext) -> Iterator[Finding]:
    """Nothing that only bash knows: /bin/sh is dash on Debian."""
    for name, script in subject.contents.scripts.items():
        if script.interpreter.split(" ")[0] not in SHELLS:
            continue
        for number, line in enumerate(script.body.splitlines(), 1):
            code = line.partition(" #")[0]
            if not code.lstrip().startswith("#") and _BASHISMS.search(code):
                yield Finding("POSIX shell", line.strip(), f"{name} line {number}")


def succeeds(subject: CheckContext) -> Iterator[Finding]:
    """A failing scriptlet leaves a package half-installed: it must not fail over trifles."""
    for name, command in subject.script_commands:
        code = command.argv[1] if command.program == "exit" and len(command.argv) > 1 else "0"
        if code != "0":
            yield Finding("exit 0", command.command_line, f"{name} line {command.line}")
        if command.program in SYSTEMCTL and not (command.failure_handled or command.is_condition):
            yield Finding(
                f"{command.command_line} || true",
                command.command_line,
                f"{name} line {command.line}",
            )
    last: dict[str, shell_parser.Command] = dict(subject.script_commands)
    for name, command in last.items():
        if command.follows_and and not command.failure_handled:
            want = "the last line succeeds also when its condition is not met"
            yield Finding(want, f"… && {command.command_line}", f"{name} line {command.line}")


def removes_only_own(subject: CheckContext) -> Iterator[Finding]:
    """No recursive removal, and nothing of anyone else's."""
    for name, command in subject.script_commands:
        options = "".join(w.lstrip("-") for w in command.argv[1:] if w.startswith("-"))
        recursive = command.program == "rm" and ("r" in options.lower())
        if recursive or (command.program == "find" and "-delete" in command.argv):
            yield Finding(
                "no recursive removal", command.command_line, f"{name} line {command.line}"
            )


def leaves_plugins(subject: CheckContext) -> Iterator[Finding]:
    """What others put among the CNI plugins, and the cluster's data, is not touched."""
    for name, command in subject.script_commands:
        if command.program in ("echo", "printf", "test", "["):
            continue
        for word in command.argv:
            if word.startswith(
                (CNI_BIN_DIR, "/opt/cni", "/etc/cni", "/etc/kubernetes", "/var/lib/kubelet")
            ):
                yield Finding(
                    f"{word} is left alone", command.command_line, f"{name} line {command.line}"
                )


_ONCE_ONLY = {"mkdir": "p", "ln": "f", "rm": "f", "groupadd": "f"}


def idempotent(subject: CheckContext) -> Iterator[Finding]:
    """Running it again, after it broke off, does no harm."""
    for name, command in subject.script_commands:
        options = "".join(w for w in command.argv[1:] if w.startswith("-"))
        want = _ONCE_ONLY.get(command.program)
        if want and want not in options and not (command.failure_handled or command.conditions):
            yield Finding(
                f"{command.program} -{want}", command.command_line, f"{name} line {command.line}"
            )
    for name, script in subject.contents.scripts.items():
        for number, line in enumerate(script.body.splitlines(), 1):
            if re.search(r">>\s*/", line.partition("#")[0]):
                yield Finding("no line appended to a file", line.strip(), f"{name} line {number}")


def bodies(subject: CheckContext) -> Iterator[Finding]:
    """The scriptlets are those that were rendered."""
    wanted = subject.expected.scripts if subject.expected else {}
    found = {name: script.body for name, script in subject.contents.scripts.items()}
    for name in sorted({*wanted, *found}):
        if name not in found or name not in wanted:
            is_, be = ("a", "no") if name not in found else ("no", "a")
            yield Finding(f"{is_} scriptlet {name}", f"{be} scriptlet {name}", name)
        elif found[name].strip() != wanted[name].strip():
            yield from _difference(name, wanted[name], found[name])


def _difference(name: str, wanted: str, found: str) -> Iterator[Finding]:
    """The first line that differs."""
    pairs: Iterable[tuple[str, str]] = zip(
        [*wanted.strip().splitlines(), "the end"],
        [*found.strip().splitlines(), "the end"],
        strict=False,
    )
    for number, (want, have) in enumerate(pairs, 1):
        if want != have:
            yield Finding(want, have, f"{name} line {number}")
            return


RULES = (
    CheckDefinition(
        "scripts-interpreter",
        19,
        "scriptlets run with a shell that every host has",
        interpreter,
        has_scripts,
    ),
    CheckDefinition(
        "scripts-parse", 19, "the shell understands the scriptlets", parses, has_scripts
    ),
    CheckDefinition("scripts-posix", 19, "scriptlets are POSIX shell", posix, has_scripts),
    CheckDefinition("scripts-succeed", 19, "scriptlets do not fail", succeeds, has_scripts),
    CheckDefinition(
        "scripts-no-recursive-removal",
        54,
        "no scriptlet removes a whole folder",
        removes_only_own,
        has_scripts,
    ),
    CheckDefinition(
        "scripts-leave-data",
        54,
        "plugins and data of others are not touched",
        leaves_plugins,
        has_scripts,
    ),
    CheckDefinition("scripts-idempotent", 19, "scriptlets may run twice", idempotent, has_scripts),
    CheckDefinition(
        "scripts-exact",
        19,
        "scriptlets are those that were rendered",
        bodies,
        lambda subject: (
            exact(subject)
            and bool(subject.contents.scripts or (subject.expected and subject.expected.scripts))
        ),
    ),
)
