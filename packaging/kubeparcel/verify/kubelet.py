"""The kubelet of a host, as systemd, the kernel and the kubelet itself report it."""

from __future__ import annotations

import functools
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kubeparcel.config import catalog as catalogs
from kubeparcel.hosts.engine import WaitTimeout
from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.packages.model import FileType
from kubeparcel.reports.results import Finding
from kubeparcel.verify import systemd_unit
from kubeparcel.verify.kubelet_contract import (
    DROP_IN,
    DROP_IN_DIR,
    ENVIRONMENT,
    EXTRA_ARGS,
    KUBEADM_FLAGS_FILE,
    KUBELET,
    UNIT,
)
from kubeparcel.verify.layout.expected import LayoutPaths
from kubeparcel.verify.node_setup import HEALTHZ_URL
from kubeparcel.verify.scenario import HostContext

RESTART_TIMEOUT = 30.0
"""Seconds for systemd to start a killed process again."""

HEALTHY_TIMEOUT = 60.0
"""Seconds that a kubelet may take to respond; after a failed start systemd waits ten."""

MAX_RESTARTS = 2
"""A kubelet that systemd restarts so often while it is polled will not respond."""

PODS_URL = "https://127.0.0.1:10250/pods"
CONFIGZ_URL = "https://127.0.0.1:10250/configz"
"""Returns the settings that a kubelet runs with, whatever they came from."""

BASE_ARGUMENTS = (KUBELET, *(word for value in ENVIRONMENT.values() for word in value.split()))
"""How a kubelet's command line begins under kubeadm's drop-in."""

JOURNAL_LINES = 40

_COMMAND = re.compile(r"argv\[\]=(.*?) ; ignore_errors=")
_OPTIONAL = " (ignore_errors=yes)"


@dataclass(frozen=True)
class KubeletFiles:
    """The paths of the kubelet's systemd files in a package set; empty where it has none."""

    unit: str
    drop_in: str
    env_file: str

    @classmethod
    def of(cls, packages: PackageSet) -> KubeletFiles:
        """Find the files in the packages.

        Without an environment file in them, its path is the format's usual one. A unit in /etc
        does not count: it overrides the packages' own.
        """
        paths = [entry.path for entry in packages.entries if entry.kind is FileType.FILE]

        def ending(suffix: str) -> str:
            return next((path for path in paths if path.endswith(suffix)), "")

        usual = LayoutPaths.from_catalog(catalogs.load(), packages.format).env_files
        env_file = next((path for path in usual if path in paths), usual[0])
        return cls(ending(f"lib/systemd/system/{UNIT}"), ending(f"/{DROP_IN_DIR}/{DROP_IN}"), env_file)


def parse_properties(text: str) -> Mapping[str, str]:
    """Parse the output of `systemctl show`; a repeated property gets one line per value."""
    properties: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.partition("=")
        properties[name] = f"{properties[name]}\n{value}" if name in properties else value
    return properties


def parse_commands(exec_start: str) -> list[str]:
    """Return the command lines in the property ExecStart."""
    return _COMMAND.findall(exec_start)


def parse_environment_files(environment_files: str) -> list[str]:
    """Return the paths in the property EnvironmentFiles; a required file is prefixed with `!`."""
    return [
        line.removesuffix(_OPTIONAL) if line.endswith(_OPTIONAL) else f"!{line.partition(' (')[0]}"
        for line in environment_files.splitlines()
    ]


def parse_flags(text: str, variable: str) -> list[str]:
    """Return the arguments in a variable of an environment file, split as systemd does."""
    values = [value for name, value, _ in systemd_unit.parse_environment_file(text) if name == variable]
    return [word.text for word in systemd_unit.split_words(values[-1])] if values else []


def unit_properties(context: HostContext, *names: str, unit: str = UNIT) -> dict[str, str]:
    """Return properties of a unit, in this order; those that systemd does not know are empty."""
    result = context.run("systemctl", "show", unit, *(f"--property={name}" for name in names))
    properties = parse_properties(result.stdout)
    return {name: properties.get(name, "") for name in names}


def assert_unit_properties(context: HostContext, **expected: str) -> Iterator[Finding]:
    """Yield a finding for each property of the kubelet's unit with another value."""
    for name, found in unit_properties(context, *expected).items():
        if found != expected[name]:
            yield Finding(f"{name}={expected[name]}", f"{name}={found}", context.locate(UNIT))


def main_pid(context: HostContext, unit: str = UNIT) -> str:
    """Return the ID of a unit's main process; `0` if it does not run."""
    return unit_properties(context, "MainPID", unit=unit)["MainPID"]


def stopped_state(context: HostContext) -> str:
    """Return the unit's state if systemd neither runs nor starts the kubelet, else ''."""
    state = unit_properties(context, "ActiveState")["ActiveState"] or "unknown"
    return "" if state in ("active", "activating", "reloading") else state


def kill(context: HostContext, unit: str = UNIT) -> Iterator[Finding]:
    """Kill a unit's process, and wait until systemd has started another one, or given up."""
    state, before = unit_properties(context, "ActiveState", "MainPID", unit=unit).values()
    if before in ("", "0"):
        yield Finding("a running process", f"none ({state})", unit)
        return

    def is_settled() -> bool:
        state, pid = unit_properties(context, "ActiveState", "MainPID", unit=unit).values()
        return state in ("failed", "inactive") or (state == "active" and pid not in ("0", before))

    context.run("kill", "-KILL", before)
    diagnose = functools.partial(journal_tail, context, unit)
    context.container.wait_for(is_settled, f"systemd to restart {unit}", RESTART_TIMEOUT, diagnose=diagnose)


def restart(context: HostContext) -> Iterator[Finding]:
    """Restart the kubelet, so that it reads its files again."""
    yield from context.run_successfully("systemctl", "restart", UNIT)


def set_extra_arguments(context: HostContext, value: str) -> Iterator[Finding]:
    """Set the administrator's arguments in the package's environment file, and restart the kubelet."""
    context.container.write_file(KubeletFiles.of(context.packages).env_file, f"{EXTRA_ARGS}={value}\n")
    yield from restart(context)


def command_line(context: HostContext) -> list[str]:
    """Return the arguments of the kubelet's process; empty if it does not run."""
    return context.script("tr '\\0' '\\n' <\"/proc/$1/cmdline\"", main_pid(context)).stdout.splitlines()


def assert_command_line(context: HostContext, expected: Sequence[str]) -> Iterator[Finding]:
    """Yield a finding unless the kubelet's process has exactly these arguments."""
    found = command_line(context)
    if found != list(expected):
        where = context.locate(f"/proc/{main_pid(context)}/cmdline")
        yield Finding(shlex.join(expected), shlex.join(found) or "no kubelet process", where)


def kubeadm_flags(context: HostContext) -> list[str]:
    """Return the arguments that kubeadm has written for the kubelet."""
    return parse_flags(context.run("cat", KUBEADM_FLAGS_FILE).stdout, "KUBELET_KUBEADM_ARGS")


def extra_arguments(context: HostContext) -> list[str]:
    """Return the administrator's arguments, from the package's environment file."""
    return parse_flags(context.run("cat", KubeletFiles.of(context.packages).env_file).stdout, EXTRA_ARGS)


def wait_until_healthy(context: HostContext) -> tuple[()]:
    """Wait until the kubelet's healthz returns ok; raises WaitTimeout with its journal's end."""
    _wait_for_response(context, HEALTHZ_URL, "healthz to return ok", "ok")
    return ()


def running_settings(context: HostContext) -> Mapping[str, Any]:
    """Return the settings that the kubelet runs with; raises WaitTimeout if it does not respond."""
    response = _wait_for_response(context, CONFIGZ_URL, "configz", '"kubeletconfig"')
    settings: dict[str, Any] = json.loads(response)["kubeletconfig"]
    return settings


def wait_for_pod(context: HostContext, name: str) -> None:
    """Wait until the kubelet lists a pod, whatever its state; raises WaitTimeout."""
    _wait_for_response(context, PODS_URL, "a static pod", f'"name":"{name}')


def _wait_for_response(context: HostContext, url: str, what: str, content: str) -> str:
    """Poll a URL of the kubelet until the response has some content, and return it.

    Raises WaitTimeout after HEALTHY_TIMEOUT, or as soon as the kubelet is known not to respond.
    """
    argv = ("curl", "--silent", "--insecure", "--max-time", "5", url)
    restarts = _restarts(context)

    def poll() -> str:
        response = context.container.run(*argv, check=False).stdout
        if content in response:
            return response
        _raise_if_dead(context, what, restarts)
        return ""

    response = context.container.wait_for(
        poll, f"the kubelet's {what}", HEALTHY_TIMEOUT, 0.2, lambda: journal_tail(context)
    )
    context.evidence[" ".join(argv)] = response
    return response


def _raise_if_dead(context: HostContext, what: str, restarts_before: int) -> None:
    """Raise WaitTimeout if systemd has stopped the kubelet, or keeps restarting it."""
    state, restarts = stopped_state(context), _restarts(context) - restarts_before
    if state or restarts >= MAX_RESTARTS:
        reason = f"is {state}" if state else f"exited {restarts} times"
        host = context.container.host.name
        raise WaitTimeout(f"{host}: waited for the kubelet's {what}, but the kubelet {reason}.", journal_tail(context))


def _restarts(context: HostContext) -> int:
    return int(unit_properties(context, "NRestarts")["NRestarts"] or 0)


def journal_tail(context: HostContext, unit: str = UNIT) -> str:
    """Return the end of a unit's journal."""
    argv = ("journalctl", "--no-pager", f"--lines={JOURNAL_LINES}", f"--unit={unit}")
    return context.run(*argv).stdout
