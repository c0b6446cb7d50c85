"""The kubelet of a machine, as systemd, the kernel and the kubelet itself tell of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kubeparcel.config import catalog as catalogs
from kubeparcel.hosts.engine import WaitTimeout
from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.packages.reader import Kind
from kubeparcel.verify import systemd_unit
from kubeparcel.verify.kubelet_contract import DROP_IN, DROP_IN_DIR, KUBEADM_FLAGS_FILE, UNIT
from kubeparcel.verify.layout.expected import LayoutPaths
from kubeparcel.verify.node_setup import HEALTHZ_URL
from kubeparcel.verify.scenario import HostContext

HEALTHY_TIMEOUT = 60.0
"""Seconds that a kubelet may take to answer; after a failed start it waits ten."""

DEATHS = 2
"""A kubelet that ended so often while an answer was waited for will not give one."""

CONFIGZ = "https://127.0.0.1:10250/configz"
"""Where a kubelet says which settings it runs with, whatever they came from."""

_COMMAND = re.compile(r"argv\[\]=(.*?) ; ignore_errors=")
_OPTIONAL = " (ignore_errors=yes)"


@dataclass(frozen=True)
class KubeletFiles:
    """Where a set of packages has what systemd reads of the kubelet; empty where it has none."""

    unit: str
    drop_in: str
    env_file: str

    @classmethod
    def of(cls, packages: PackageSet) -> KubeletFiles:
        """Found in the packages; the environment file's path is the format's own.

        A unit in /etc is not the packages' own, whoever put it there.
        """
        entries = (entry for one in packages.contents for entry in one.entries)
        paths = [entry.path for entry in entries if entry.kind is Kind.FILE]

        def ending(end: str) -> str:
            return next((path for path in paths if path.endswith(end)), "")

        known = LayoutPaths.from_catalog(catalogs.load(), packages.format).env_files
        env_file = next((path for path in known if path in paths), known[0])
        return cls(
            ending(f"lib/systemd/system/{UNIT}"), ending(f"/{DROP_IN_DIR}/{DROP_IN}"), env_file
        )


def properties_in(text: str) -> Mapping[str, str]:
    """What `systemctl show` prints; values of a property that comes several times are lines."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.partition("=")
        found[name] = f"{found[name]}\n{value}" if name in found else value
    return found


def commands_in(exec_start: str) -> list[str]:
    """The command lines in the property ExecStart."""
    return _COMMAND.findall(exec_start)


def optional_files_in(environment_files: str) -> list[str]:
    """The paths in the property EnvironmentFiles; one that has to be there has a `!` before it."""
    lines = environment_files.splitlines()
    return [
        line.removesuffix(_OPTIONAL) if line.endswith(_OPTIONAL) else f"!{line.partition(' (')[0]}"
        for line in lines
    ]


def flags_in(text: str, variable: str) -> list[str]:
    """The arguments that a variable of an environment file becomes, split as systemd does."""
    values = [
        value for name, value, _ in systemd_unit.parse_environment_file(text) if name == variable
    ]
    return [word.text for word in systemd_unit.split_words(values[-1])] if values else []


def properties(trial: HostContext, *names: str) -> Mapping[str, str]:
    """What systemd says of the unit."""
    argv = ("systemctl", "show", UNIT, *(f"--property={name}" for name in names))
    return properties_in(trial.run(*argv).stdout)


def pid(trial: HostContext) -> str:
    """The process that systemd runs as the kubelet; `0` when there is none."""
    return properties(trial, "MainPID").get("MainPID", "")


def given_up(trial: HostContext) -> str:
    """The unit's state where systemd neither runs the kubelet nor will start it; else empty."""
    state = properties(trial, "ActiveState").get("ActiveState", "unknown")
    return "" if state in ("active", "activating", "reloading") else state


def command_line(trial: HostContext) -> list[str]:
    """The live kubelet's arguments."""
    done = trial.script("tr '\\0' '\\n' <\"/proc/$1/cmdline\"", pid(trial))
    return done.stdout.splitlines()


def kubeadm_flags(trial: HostContext) -> list[str]:
    """The arguments that kubeadm has written down for the kubelet."""
    return flags_in(trial.run("cat", KUBEADM_FLAGS_FILE).stdout, "KUBELET_KUBEADM_ARGS")


def healthy(trial: HostContext) -> None:
    """Wait until the kubelet says ok; raises WaitTimeout with its last words."""
    _answer(trial, HEALTHZ_URL, "healthz to say ok", "ok")


def settings(trial: HostContext) -> Mapping[str, Any]:
    """The settings that the kubelet runs with."""
    said = _answer(trial, CONFIGZ, "configz", '"kubeletconfig"')
    found: dict[str, Any] = json.loads(said)["kubeletconfig"]
    return found


def _answer(trial: HostContext, url: str, what: str, wanted: str) -> str:
    """What is at an address of the kubelet's, as soon as it holds what is wanted.

    Raises WaitTimeout when that takes too long, and at once when there is nothing to wait for.
    """
    argv = ("curl", "--silent", "--insecure", "--max-time", "5", url)
    first = _restarts(trial)

    def asked() -> str:
        said = trial.container.run(*argv, check=False).stdout
        if wanted not in said:
            _hope(trial, what, first)
        return said if wanted in said else ""

    said = trial.container.wait_for(
        asked, f"the kubelet's {what}", HEALTHY_TIMEOUT, 0.2, lambda: last_words(trial)
    )
    trial.evidence[" ".join(argv)] = said
    return said


def _hope(trial: HostContext, what: str, first: int) -> None:
    """Raise WaitTimeout where the kubelet will not answer any more: it is not started, or dies."""
    state, died = given_up(trial), _restarts(trial) - first
    if state or died >= DEATHS:
        why = f"is {state}" if state else f"died {died} times"
        raise WaitTimeout(
            f"{trial.container.host.name}: no {what}: the kubelet {why}.", last_words(trial)
        )


def _restarts(trial: HostContext) -> int:
    return int(properties(trial, "NRestarts").get("NRestarts") or 0)


def last_words(trial: HostContext) -> str:
    """The end of the kubelet's journal."""
    return trial.run("journalctl", "--no-pager", "--lines=40", f"--unit={UNIT}").stdout
