"""Checks of the scriptlets: they leave the running kubelet, and the files of others, alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ..run import run
from . import shell
from .contract import PLUGINS
from .report import Finding
from .subject import Rule, Subject, exact

_SHELLS = ("/bin/sh", "/usr/bin/sh")
_STARTS = {"start", "restart", "try-restart", "condrestart", "reload", "force-reload", "kill"}
_STARTS |= {"reload-or-restart", "try-reload-or-restart", "isolate"}
_STOPS = {"stop", "disable", "mask"}
_ENABLES = {"enable", "preset", "unmask", "reenable"}
_SERVICE = {"service", "invoke-rc.d"}
_SYSTEMCTL = {"systemctl", "deb-systemd-invoke", "deb-systemd-helper"}
_BASHISMS = re.compile(
    r"\[\[|(^|[;&|\s])(function\s|source\s|declare\s|pushd\s|let\s)|<<<|&>|\$'|\$\{\w+[\^,@/]|"
    r"\[ [^\]\n]*\s==\s|\w+\+?=\("
)
_REMOVAL = {True: re.compile(r"\$1 (= )?|remove|purge|deconfigure"), False: re.compile(r"\$1")}


def _commands(subject: Subject) -> Iterator[tuple[str, shell.Command]]:
    for name, script in subject.contents.scripts.items():
        if script.interpreter.split(" ")[0] in ("", *_SHELLS, "/bin/bash", "/usr/bin/bash"):
            yield from ((name, command) for command in shell.commands(script.body))


def _verb(command: shell.Command) -> tuple[str, tuple[str, ...]]:
    """What a command does to units, and to which; empty when it is no such command."""
    plain = tuple(word for word in command.words[1:] if not word.startswith("-"))
    if command.program in _SERVICE:
        return (plain[1] if len(plain) > 1 else ""), plain[:1]
    if command.program in _SYSTEMCTL and plain:
        now = "--now" in command.words
        verb = {"enable": "start", "disable": "stop"}.get(plain[0], plain[0]) if now else plain[0]
        return verb, plain[1:]
    return "", ()


def _at(script: str, command: shell.Command) -> str:
    return f"{script} line {command.line}"


def interpreter(subject: Subject) -> Iterator[Finding]:
    """A shell that is on every host."""
    for name, script in subject.contents.scripts.items():
        if script.interpreter.split(" ")[0] not in (*_SHELLS, "<lua>"):
            yield Finding("/bin/sh", script.interpreter or "no interpreter", name)


def parses(subject: Subject) -> Iterator[Finding]:
    """The shell understands it."""
    for name, script in subject.contents.scripts.items():
        if script.interpreter.split(" ")[0] in _SHELLS:
            done = run(["/bin/sh", "-n"], stdin=script.body, check=False)
            if done.code:
                yield Finding("a script that sh -n accepts", done.stderr.strip(), name)


def posix(subject: Subject) -> Iterator[Finding]:
    """Nothing that only bash knows: /bin/sh is dash on Debian."""
    for name, script in subject.contents.scripts.items():
        if script.interpreter.split(" ")[0] not in _SHELLS:
            continue
        for number, line in enumerate(script.body.splitlines(), 1):
            code = line.partition(" #")[0]
            if not code.lstrip().startswith("#") and _BASHISMS.search(code):
                yield Finding("POSIX shell", line.strip(), f"{name} line {number}")


def leaves_kubelet(subject: Subject) -> Iterator[Finding]:
    """Never start or restart the kubelet: its node is drained first, by a person."""
    for name, command in _commands(subject):
        verb, units = _verb(command)
        if verb in _STARTS:
            yield Finding(f"no {verb} of a service", command.text, _at(name, command))
        direct = command.program in ("kill", "killall", "pkill") or command.program == "kubelet"
        if direct and not units:
            yield Finding("the running kubelet is left alone", command.text, _at(name, command))


def stops_only_on_removal(subject: Subject) -> Iterator[Finding]:
    """Stop and disable at removal only, not at an upgrade."""
    for name, command in _commands(subject):
        verb, _ = _verb(command)
        if verb in _STOPS and not _asks(command, "$1"):
            want = '"$1" = remove' if subject.deb else '"$1" -eq 0'
            yield Finding(f"only if [ {want} ]", command.text, _at(name, command))


def enables_once(subject: Subject) -> Iterator[Finding]:
    """Enable at the first installation only: what the administrator chose later stays."""
    for name, command in _commands(subject):
        verb, _ = _verb(command)
        if verb in _ENABLES and not _asks(command, "$2" if subject.deb else "$1"):
            want = '-z "$2"' if subject.deb else '"$1" -eq 1'
            yield Finding(
                f"only if [ {want} ]",
                command.text,
                _at(name, command),
                "Without it, an upgrade enables a kubelet that the administrator disabled.",
            )


def _asks(command: shell.Command, argument: str) -> bool:
    """Whether a condition around the command looks at that argument of the script."""
    names = (argument, f"${{{argument[1:]}")
    return any(name in condition for name in names for condition in command.under)


def without_systemd(subject: Subject) -> Iterator[Finding]:
    """A host without systemd, or a container build, installs it just as well."""
    for name, command in _commands(subject):
        guarded = any(
            "/run/systemd/system" in condition or "systemctl" in condition
            for condition in command.under
        )
        if command.program in _SYSTEMCTL | _SERVICE and not (guarded or command.caught):
            want = f"{command.text} || true, or inside if [ -d /run/systemd/system ]"
            yield Finding(want, command.text, _at(name, command))


def succeeds(subject: Subject) -> Iterator[Finding]:
    """A failing scriptlet leaves a package half-installed: it must not fail over trifles."""
    for name, command in _commands(subject):
        code = command.words[1] if command.program == "exit" and len(command.words) > 1 else "0"
        if code != "0":
            yield Finding("exit 0", command.text, _at(name, command))
        if command.program in _SYSTEMCTL and not (command.caught or command.tests):
            yield Finding(f"{command.text} || true", command.text, _at(name, command))
    last: dict[str, shell.Command] = dict(_commands(subject))
    for name, command in last.items():
        if command.listed and not command.caught:
            want = "the last line succeeds also when its condition is not met"
            yield Finding(want, f"… && {command.text}", _at(name, command))


def removes_only_own(subject: Subject) -> Iterator[Finding]:
    """No recursive removal, and nothing of anyone else's."""
    for name, command in _commands(subject):
        options = "".join(w.lstrip("-") for w in command.words[1:] if w.startswith("-"))
        recursive = command.program == "rm" and ("r" in options.lower())
        if recursive or (command.program == "find" and "-delete" in command.words):
            yield Finding("no recursive removal", command.text, _at(name, command))


def leaves_plugins(subject: Subject) -> Iterator[Finding]:
    """What others put among the CNI plugins, and the cluster's data, is not touched."""
    for name, command in _commands(subject):
        if command.program in ("echo", "printf", "test", "["):
            continue
        for word in command.words:
            if word.startswith(
                (PLUGINS, "/opt/cni", "/etc/cni", "/etc/kubernetes", "/var/lib/kubelet")
            ):
                yield Finding(f"{word} is left alone", command.text, _at(name, command))


_ONCE_ONLY = {"mkdir": "p", "ln": "f", "rm": "f", "groupadd": "f"}


def idempotent(subject: Subject) -> Iterator[Finding]:
    """Running it again, after it broke off, does no harm."""
    for name, command in _commands(subject):
        options = "".join(w for w in command.words[1:] if w.startswith("-"))
        want = _ONCE_ONLY.get(command.program)
        if want and want not in options and not (command.caught or command.under):
            yield Finding(f"{command.program} -{want}", command.text, _at(name, command))
    for name, script in subject.contents.scripts.items():
        for number, line in enumerate(script.body.splitlines(), 1):
            if re.search(r">>\s*/", line.partition("#")[0]):
                yield Finding("no line appended to a file", line.strip(), f"{name} line {number}")


def reloads(subject: Subject) -> Iterator[Finding]:
    """Units and drop-ins are read again after they came, changed or went."""
    names = ("postinst", "postrm") if subject.deb else ("post", "postun")
    told = {name for name, command in _commands(subject) if _verb(command)[0] == "daemon-reload"}
    for name in names:
        if name not in told:
            yield Finding("systemctl daemon-reload", "none", name)


def removes_obsolete(subject: Subject) -> Iterator[Finding]:
    """The old conffile of the other layout, which would mask the new one, is removed."""
    moments = ("preinst", "postinst", "postrm")
    helper = [(n, c) for n, c in _commands(subject) if c.program == "dpkg-maintscript-helper"]
    for path in subject.expected.obsolete if subject.expected else ():
        for moment in moments:
            if not any(
                n == moment and "rm_conffile" in c.words and path in c.words for n, c in helper
            ):
                yield Finding(f"dpkg-maintscript-helper rm_conffile {path}", "none", moment)


def bodies(subject: Subject) -> Iterator[Finding]:
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


def _applies(subject: Subject) -> bool:
    return bool(subject.contents.scripts)


def _services(subject: Subject) -> bool:
    """Whether a scriptlet has to do with services at all."""
    return any(command.program in _SYSTEMCTL | _SERVICE for _, command in _commands(subject))


RULES = (
    Rule(
        "scripts-interpreter",
        19,
        "scriptlets run with a shell that every host has",
        interpreter,
        _applies,
    ),
    Rule("scripts-parse", 19, "the shell understands the scriptlets", parses, _applies),
    Rule("scripts-posix", 19, "scriptlets are POSIX shell", posix, _applies),
    Rule(
        "scripts-leave-kubelet-running",
        79,
        "the kubelet is never started or restarted",
        leaves_kubelet,
        _applies,
    ),
    Rule(
        "scripts-stop-on-removal-only",
        79,
        "an upgrade does not stop the kubelet",
        stops_only_on_removal,
        _services,
    ),
    Rule(
        "scripts-enable-once",
        62,
        "only the first installation enables the kubelet",
        enables_once,
        _services,
    ),
    Rule(
        "scripts-without-systemd",
        48,
        "a host without systemd can install it",
        without_systemd,
        _services,
    ),
    Rule("scripts-succeed", 19, "scriptlets do not fail", succeeds, _applies),
    Rule(
        "scripts-no-recursive-removal",
        54,
        "no scriptlet removes a whole folder",
        removes_only_own,
        _applies,
    ),
    Rule(
        "scripts-leave-data",
        54,
        "plugins and data of others are not touched",
        leaves_plugins,
        _applies,
    ),
    Rule("scripts-idempotent", 19, "scriptlets may run twice", idempotent, _applies),
    Rule(
        "scripts-reload-systemd",
        0,
        "systemd learns of a changed unit or drop-in",
        reloads,
        lambda subject: subject.unit is not None or subject.drop_in is not None,
    ),
    Rule(
        "obsolete-drop-in-removed",
        63,
        "a stale drop-in of the other layout is removed",
        removes_obsolete,
        lambda subject: subject.deb and bool(subject.expected and subject.expected.obsolete),
    ),
    Rule(
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
