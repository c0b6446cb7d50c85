"""Assertions about a running kubelet, and about the tools next to it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from kubeparcel.reports.results import Finding
from kubeparcel.verify import kubelet
from kubeparcel.verify.install.assertions import ADMIN_EDIT
from kubeparcel.verify.kubelet import BASE_ARGUMENTS
from kubeparcel.verify.kubelet_contract import CONFIG_FILE, FIPS_ONLY, KUBELET, UNIT
from kubeparcel.verify.node_setup import CRI_SOCKET
from kubeparcel.verify.package_expectations import binaries
from kubeparcel.verify.scenario import HostContext, StepFunction

RESTART_COMMAND = "systemctl restart kubelet"
"""The command that an upgrade prints for the administrator, because it does not restart the kubelet."""

BACKUP_SUFFIXES = (".dpkg-bak", ".dpkg-old", ".rpmsave", ".rpmnew", ".rpmorig")
"""The suffixes that package managers give to files that an administrator has edited."""

CNI_VERSION = "1.0.0"


def kubelet_runs_with(
    *last: str, base: Sequence[str] = BASE_ARGUMENTS, flags: bool = True, **settings: object
) -> StepFunction:
    """Return a step that expects a healthy kubelet with exact arguments, and settings in effect.

    The arguments are `base`, then kubeadm's and those in the packages' environment file if `flags`;
    `last` replaces the latter. `settings` are fields of the KubeletConfiguration, as the kubelet's
    configz returns them; one that the packages' arguments set is not compared.
    """

    def check(context: HostContext) -> Iterator[Finding]:
        kubelet.wait_until_healthy(context)
        from_kubeadm = kubelet.kubeadm_flags(context) if flags else []
        packaged = kubelet.extra_arguments(context) if flags and not last else []
        yield from kubelet.assert_command_line(context, [*base, *from_kubeadm, *packaged, *last])
        running = kubelet.running_settings(context) if settings else {}
        overridden = {argument.partition("=")[0] for argument in packaged}
        for name, value in settings.items():
            if running.get(name) != value and _flag(name) not in overridden:
                yield Finding(f"{name}: {value}", f"{name}: {running.get(name)}", "configz")

    return check


def _flag(setting: str) -> str:
    """Return the kubelet's flag for a field of its configuration: `--max-pods` for maxPods."""
    return "--" + re.sub("([A-Z])", r"-\1", setting).lower()


def kubelet_is_healthy(context: HostContext) -> Iterator[Finding]:
    """The kubelet's healthz returns ok, without an API server."""
    kubelet.wait_until_healthy(context)
    yield from ()


def fips_kubelet_answers_over_tls(context: HostContext) -> Iterator[Finding]:
    """The kubelet has GODEBUG=fips140=only in its environment, and serves its settings over TLS."""
    pid = kubelet.main_pid(context)
    environment = context.script("tr '\\0' '\\n' <\"/proc/$1/environ\"", pid).stdout.splitlines()
    if FIPS_ONLY not in environment:
        yield Finding(FIPS_ONLY, "not in the environment", context.locate(f"/proc/{pid}/environ"))
    kubelet.running_settings(context)


def kubelet_not_restarted(context: HostContext) -> Iterator[Finding]:
    """The kubelet is the process that was recorded last, and healthy."""
    before, now = str(context.state["pid"]), kubelet.main_pid(context)
    if now == before:
        kubelet.wait_until_healthy(context)
    else:
        context.state["pid"] = now  # the next step is judged by itself
        found = f"process {now}" if now != "0" else "no process"
        yield Finding(f"process {before}, not restarted", found, UNIT)


def upgrade_advises_restart(name: str) -> StepFunction:
    """Return a step that expects the output of a package's upgrade to name RESTART_COMMAND."""

    def check(context: HostContext) -> Iterator[Finding]:
        output = str(context.state[name])
        context.evidence[f"output of the upgrade of {name}"] = output
        if RESTART_COMMAND not in output:
            where = f"the upgrade of {name}"
            yield Finding(f"advice to run {RESTART_COMMAND}", "not in the output", where)

    return check


def edited_drop_in_is_saved(context: HostContext) -> Iterator[Finding]:
    """The administrator's edit of the drop-in is in a backup file, where it has no effect."""
    path = str(context.state["edited"])
    text = 'cd "${1%/*}" && shift && for f; do [ ! -f "$f" ] || grep -H "$edit" "$f"; done || :'
    names = [path.rpartition("/")[2] + suffix for suffix in BACKUP_SUFFIXES]
    result = context.script(f"edit='{ADMIN_EDIT}'; {text}", path, *names)
    if ADMIN_EDIT not in result.stdout:
        expected = f"the edit in a backup file ({', '.join(BACKUP_SUFFIXES)})"
        yield Finding(expected, "no such file, or no edit in it", path)


def kubelet_is_stopped(context: HostContext) -> Iterator[Finding]:
    """The removed kubelet does not run any more; the node's own files remain."""
    processes = context.run("sh", "-c", f"for p in /proc/[0-9]*; do readlink $p/exe; done | grep {KUBELET}")
    if not processes.exit_code:
        yield Finding("no process", processes.stdout.strip(), KUBELET)
    for path in (CONFIG_FILE, "/etc/kubernetes/kubelet.conf"):
        if context.run("test", "-s", path).exit_code:
            yield Finding("the file remains", "it is missing or empty", path)


def crictl_reaches_runtime(context: HostContext) -> Iterator[Finding]:
    """Crictl reaches containerd, which is ready, and lists its containers: none."""
    crictl = ("crictl", f"--runtime-endpoint={CRI_SOCKET}", f"--image-endpoint={CRI_SOCKET}")
    info = context.run(*crictl, "info")
    try:
        conditions = json.loads(info.stdout)["status"]["conditions"]
        states = {condition["type"]: condition["status"] for condition in conditions}
    except (ValueError, KeyError, TypeError):
        states = {}
    if states.get("RuntimeReady") is not True:
        output = (info.stderr or info.stdout).strip()[-300:] or f"exit code {info.exit_code}"
        yield Finding("RuntimeReady: true", str(states) if states else output, "crictl info")
    listed = context.run(*crictl, "ps", "--all")
    if listed.exit_code or "CONTAINER" not in listed.stdout:
        output = (listed.stderr or listed.stdout).strip()[-300:] or f"exit code {listed.exit_code}"
        yield Finding("a list of containers", output, "crictl ps --all")


def cni_plugins_respond(context: HostContext) -> Iterator[Finding]:
    """Each CNI plugin responds to the command VERSION, and supports CNI_VERSION."""
    paths = [path for path in binaries(context.packages) if path.startswith(f"{context.packages.cni_bin_dir}/")]
    text = f'echo \'{{"cniVersion":"{CNI_VERSION}"}}\' | CNI_COMMAND=VERSION "$1"'
    for result in context.run_each([("sh", "-c", text, "sh", path) for path in paths]):
        try:
            supported = json.loads(result.stdout)["supportedVersions"]
        except (ValueError, KeyError, TypeError):
            supported = ()
        if CNI_VERSION not in supported:
            output = result.stdout[-300:] or f"no output, exit code {result.exit_code}"
            yield Finding(f"supportedVersions with {CNI_VERSION}", output, result.argv[-1])
