"""Checks of the scriptlets as programs: portable, idempotent, successful and harmless."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from itertools import zip_longest

from kubeparcel.config.package_spec import CNI_BIN_DIR
from kubeparcel.process import run
from kubeparcel.reports.results import Finding
from kubeparcel.verify.layout.check_context import SHELLS, CheckContext, check, has_scripts, is_exact
from kubeparcel.verify.layout.checks.services import SYSTEMCTL

_BASHISMS = re.compile(
    r"\[\[|(^|[;&|\s])(function\s|source\s|declare\s|pushd\s|let\s)|<<<|&>|\$'|\$\{\w+[\^,@/]|"
    r"\[ [^\[\]\n]*\s==\s|\w\+?=\("
)
_READ_ONLY_PROGRAMS = ("echo", "printf", "test", "[")
_DATA_PATHS = (CNI_BIN_DIR, "/opt/cni", "/etc/cni", "/etc/kubernetes", "/var/lib/kubelet")
_IDEMPOTENT_OPTIONS = {"mkdir": "p", "ln": "f", "rm": "f", "groupadd": "f"}

_check = functools.partial(check, applies=has_scripts)


def _shell_scripts(context: CheckContext) -> Iterator[tuple[str, str]]:
    """Yield the name and text of each scriptlet that /bin/sh runs."""
    for name, script in context.contents.scripts.items():
        if script.interpreter.split(" ")[0] in SHELLS:
            yield name, script.body


@_check("scriptlets run with /bin/sh")
def scripts_interpreter(context: CheckContext) -> Iterator[Finding]:
    """Report interpreters that a minimal host may not have; rpm's built-in Lua is allowed."""
    for name, script in context.contents.scripts.items():
        if script.interpreter.split(" ")[0] not in (*SHELLS, "<lua>"):
            yield Finding("/bin/sh", script.interpreter or "no interpreter", name)


@_check("scriptlets have no syntax errors")
def scripts_parse(context: CheckContext) -> Iterator[Finding]:
    """Report scriptlets that `sh -n` rejects."""
    for name, body in _shell_scripts(context):
        result = run(["/bin/sh", "-n"], stdin=body, check=False)
        if result.exit_code:
            yield Finding("a script that sh -n accepts", result.stderr.strip(), name)


@_check("scriptlets are POSIX shell")
def scripts_posix(context: CheckContext) -> Iterator[Finding]:
    """Report syntax that only bash supports: on Debian, /bin/sh is dash."""
    for name, body in _shell_scripts(context):
        for number, line in enumerate(body.splitlines(), 1):
            code = line.partition(" #")[0]
            if not code.lstrip().startswith("#") and _BASHISMS.search(code):
                yield Finding("POSIX shell", line.strip(), f"{name} line {number}")


@_check("scriptlets exit with 0")
def scripts_succeed(context: CheckContext) -> Iterator[Finding]:
    """Report commands whose failure fails the scriptlet, which leaves a half-installed package."""
    for command in context.script_commands:
        argv = command.argv
        if command.program == "exit" and len(argv) > 1 and argv[1] != "0":
            yield Finding("exit 0", command.command_line, command.location)
        if command.program in SYSTEMCTL and not (command.failure_handled or command.is_condition):
            yield Finding(f"{command.command_line} || true", command.command_line, command.location)
    for command in {command.script: command for command in context.script_commands}.values():
        if command.follows_and and not command.failure_handled:
            expected = "the last command succeeds even if its condition is false"
            yield Finding(expected, f"… && {command.command_line}", command.location)


@_check("scriptlets remove no directory trees")
def scripts_no_recursive_removal(context: CheckContext) -> Iterator[Finding]:
    """Report `rm -r` and `find -delete`, which may remove files of other packages."""
    for command in context.script_commands:
        options = "".join(word.lstrip("-") for word in command.argv[1:] if word.startswith("-"))
        recursive = command.program == "rm" and "r" in options.lower()
        if recursive or (command.program == "find" and "-delete" in command.argv):
            yield Finding("no recursive removal", command.command_line, command.location)


@_check("scriptlets do not touch CNI plugins and cluster data")
def scripts_leave_data(context: CheckContext) -> Iterator[Finding]:
    """Report commands with paths of CNI plugins and configuration, kubeadm and kubelet data."""
    for command in context.script_commands:
        if command.program in _READ_ONLY_PROGRAMS:
            continue
        for word in command.argv:
            if word.startswith(_DATA_PATHS):
                yield Finding(f"no changes to {word}", command.command_line, command.location)


@_check("scriptlets can run more than once")
def scripts_idempotent(context: CheckContext) -> Iterator[Finding]:
    """Report commands that fail in a second run, and lines appended to files."""
    for command in context.script_commands:
        options = "".join(word for word in command.argv[1:] if word.startswith("-"))
        option = _IDEMPOTENT_OPTIONS.get(command.program, "")
        if option not in options and not (command.failure_handled or command.conditions):
            yield Finding(f"{command.program} -{option}", command.command_line, command.location)
    for name, script in context.contents.scripts.items():
        for number, line in enumerate(script.body.splitlines(), 1):
            if re.search(r">>\s*/", line.partition("#")[0]):
                yield Finding("no line appended to a file", line.strip(), f"{name} line {number}")


@check(
    "scriptlets are identical to the rendered ones",
    applies=lambda context: is_exact(context) and bool(context.expected.scripts or has_scripts(context)),
)
def scripts_exact(context: CheckContext) -> Iterator[Finding]:
    """Report missing and additional scriptlets, and the first line that differs."""
    expected = context.expected.scripts
    found = {name: script.body for name, script in context.contents.scripts.items()}
    for name in sorted({*expected, *found}):
        if name not in found:
            yield Finding(f"a scriptlet {name}", "missing", name)
        elif name not in expected:
            yield Finding(f"no scriptlet {name}", "present", name)
        elif expected[name].strip() != found[name].strip():
            yield from _first_difference(name, expected[name], found[name])


def _first_difference(name: str, expected: str, found: str) -> Iterator[Finding]:
    lines = zip_longest(expected.strip().splitlines(), found.strip().splitlines(), fillvalue="end of the script")
    for number, (expected_line, found_line) in enumerate(lines, 1):
        if expected_line != found_line:
            yield Finding(expected_line, found_line, f"{name} line {number}")
            return
