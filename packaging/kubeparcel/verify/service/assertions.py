"""What must hold on a machine: questions about its kubelet in the state it is in by then."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.reports.results import Finding
from kubeparcel.verify.install.assertions import ADMIN_EDIT
from kubeparcel.verify.kubelet_contract import (
    CNI_BIN_DIR,
    COMMAND_LINE,
    ENVIRONMENT,
    KUBEADM_FLAGS_FILE,
    KUBELET,
    UNIT,
)
from kubeparcel.verify.node_setup import CRI_SOCKET
from kubeparcel.verify.package_expectations import binaries
from kubeparcel.verify.scenario import HostContext, StepFunction
from kubeparcel.verify.service import kubelet
from kubeparcel.verify.service.kubelet import KubeletFiles

BASE_ARGUMENTS = (KUBELET, *(word for value in ENVIRONMENT.values() for word in value.split()))
"""How a kubelet's command line begins under kubeadm's drop-in."""

ADVICE = "systemctl restart kubelet"
"""What an upgrade of a running kubelet tells the administrator to do, and does not do itself."""

SAVED = ("", ".dpkg-bak", ".dpkg-old", ".rpmsave", ".rpmnew", ".rpmorig")
"""Where package managers keep what an administrator changed."""


def clean(trial: HostContext) -> Iterator[Finding]:
    """Systemd finds nothing wrong with the kubelet's unit and drop-in."""
    done = trial.run("systemd-analyze", "verify", UNIT)
    lines = f"{done.stdout}{done.stderr}".splitlines()
    faults = [line for line in lines if "kubelet" in line]
    if done.exit_code or faults:
        yield Finding("no complaint", "\n".join(faults) or f"exit code {done.exit_code}", UNIT)


def files_of(packages: PackageSet) -> StepFunction:
    """Unit and drop-in are the packages' own, read from where the packages have them."""
    wanted = KubeletFiles.of(packages)

    def read(trial: HostContext) -> Iterator[Finding]:
        trial.run("systemctl", "cat", UNIT)
        found = kubelet.properties(trial, "FragmentPath", "DropInPaths")
        drop_ins = _plain(*found.get("DropInPaths", "").split())
        if _plain(found.get("FragmentPath", "")) != _plain(wanted.unit):
            yield Finding(wanted.unit, found.get("FragmentPath") or "no unit", UNIT)
        if drop_ins != _plain(wanted.drop_in):
            yield Finding(wanted.drop_in, " ".join(drop_ins) or "no drop-in", f"{UNIT}.d")

    return read


def _plain(*paths: str) -> list[str]:
    """Paths with /lib as it is on hosts where that is a link to /usr/lib."""
    return [re.sub(r"^/lib/", "/usr/lib/", path) for path in paths if path]


def files(trial: HostContext) -> Iterator[Finding]:
    """Unit and drop-in are those of the packages under proof."""
    yield from files_of(trial.packages)(trial)


def one_command(trial: HostContext) -> Iterator[Finding]:
    """What is left of all ExecStart= is one command: the kubelet with the four variables."""
    found = kubelet.commands_in(kubelet.properties(trial, "ExecStart").get("ExecStart", ""))
    if found != [" ".join(COMMAND_LINE)]:
        yield Finding(" ".join(COMMAND_LINE), "\n".join(found) or "no command", f"{UNIT} ExecStart")


def environment_files(trial: HostContext) -> Iterator[Finding]:
    """Kubeadm's flags are read first, the administrator's file last; neither has to be there."""
    said = kubelet.properties(trial, "EnvironmentFiles").get("EnvironmentFiles", "")
    wanted = [KUBEADM_FLAGS_FILE, KubeletFiles.of(trial.packages).env_file]
    if kubelet.optional_files_in(said) != wanted:
        yield Finding(" then ".join(wanted) + ", both optional", said or "none", UNIT)


def unmasked(trial: HostContext) -> Iterator[Finding]:
    """Nothing in /etc or /run masks a unit or drop-in, or adds to it, but for our own drop-in."""
    yield from unmasked_for(trial.packages)(trial)


def unmasked_for(packages: PackageSet) -> StepFunction:
    """The same for other packages than those under proof."""

    def asked(trial: HostContext) -> Iterator[Finding]:
        done = trial.script(
            'find /etc/systemd /run/systemd /usr/local/lib/systemd \\( -name "$1" -o '
            '-path "*/$1.d/*.conf" \\) ! -path "*.wants/*" 2>/dev/null || :',
            UNIT,
        )
        for path in done.stdout.splitlines():
            if path != KubeletFiles.of(packages).drop_in:
                yield Finding("nothing over the packages' own files", "a file", path)

    return asked


def as_preset(trial: HostContext) -> Iterator[Finding]:
    """It is enabled or not as the host's presets say."""
    done = trial.run("systemctl", "list-unit-files", "--output=json", UNIT)
    rows = json.loads(done.stdout or "[]")
    found = rows[0] if rows else {}
    if not rows or found["state"] != found["preset"]:
        yield Finding(str(found.get("preset", "a unit")), str(found.get("state", "none")), UNIT)


def state(wanted: str) -> StepFunction:
    """Whether it is enabled, in systemd's word."""

    def asked(trial: HostContext) -> Iterator[Finding]:
        found = trial.run("systemctl", "is-enabled", UNIT).stdout.strip()
        if found != wanted:
            yield Finding(wanted, found or "nothing", UNIT)

    return asked


def waits(trial: HostContext) -> Iterator[Finding]:
    """Started before kubeadm wrote its configuration, it waits: no process, no failed start."""
    trial.run("systemctl", "start", UNIT)
    wanted = {
        "ActiveState": "inactive",
        "ConditionResult": "no",
        "ExecMainStartTimestampMonotonic": "0",
        "NRestarts": "0",
    }
    found = kubelet.properties(trial, *wanted)
    for name, value in wanted.items():
        if found.get(name) != value:
            yield Finding(f"{name}={value}", f"{name}={found.get(name)}", UNIT)


def runs_with(
    *tail: str, base: Sequence[str] = BASE_ARGUMENTS, flags: bool = True, **effect: object
) -> StepFunction:
    """It is healthy, its live command line is exact, and its settings are in effect.

    `tail` are the last arguments, after those that kubeadm wrote down, unless without `flags`.
    `effect` are fields of the KubeletConfiguration that the kubelet says it runs with.
    """

    def asked(trial: HostContext) -> Iterator[Finding]:
        kubelet.healthy(trial)
        wanted = [*base, *(kubelet.kubeadm_flags(trial) if flags else ()), *tail]
        found = kubelet.command_line(trial)
        if found != wanted:
            where = f"/proc/{kubelet.pid(trial)}/cmdline"
            yield Finding("\n".join(wanted), "\n".join(found) or "no process", where)
        if effect:
            settings = kubelet.settings(trial)
            for name, value in effect.items():
                if settings.get(name) != value:
                    yield Finding(f"{name}: {value}", f"{name}: {settings.get(name)}", "configz")

    return asked


def health(trial: HostContext) -> Iterator[Finding]:
    """Healthz says ok, without an API server."""
    kubelet.healthy(trial)
    yield from ()


def untouched(trial: HostContext) -> Iterator[Finding]:
    """The kubelet is the process it was when it was remembered, and healthy."""
    before, now = str(trial.state["pid"]), kubelet.pid(trial)
    if now != before:
        trial.state["pid"] = now  # what is done next is judged by itself
        yield Finding(f"process {before}", f"process {now}" if now != "0" else "none", UNIT)
    else:
        kubelet.healthy(trial)


def advised(name: str) -> StepFunction:
    """The upgrade of a package said how to restart the kubelet."""

    def asked(trial: HostContext) -> Iterator[Finding]:
        said = str(trial.state[name])
        trial.evidence[f"what the upgrade of {name} said"] = said
        if ADVICE not in said:
            yield Finding(ADVICE, "not a word of it", f"the upgrade of {name}")

    return asked


def kept_beside(trial: HostContext) -> Iterator[Finding]:
    """What the administrator changed in the drop-in is there, though it has no effect."""
    path = str(trial.state["edited"])
    text = 'cd "${1%/*}" && shift && for f; do [ ! -f "$f" ] || grep -H "$edit" "$f"; done || :'
    names = [path.rpartition("/")[2] + suffix for suffix in SAVED[1:]]
    found = trial.script(f"edit='{ADMIN_EDIT}'; {text}", path, *names)
    if ADMIN_EDIT not in found.stdout:
        yield Finding("the edit in a file beside it", "nothing there", path)


def stopped(trial: HostContext) -> Iterator[Finding]:
    """The removed kubelet does not run any more; the node's own state stays."""
    found = trial.run(
        "sh", "-c", f"for p in /proc/[0-9]*; do readlink $p/exe; done | grep {KUBELET}"
    )
    if not found.exit_code:
        yield Finding("no process", found.stdout.strip(), KUBELET)
    for path in ("/var/lib/kubelet/config.yaml", "/etc/kubernetes/kubelet.conf"):
        if trial.run("test", "-s", path).exit_code:
            yield Finding("kept", "gone", path)


def runtime(trial: HostContext) -> Iterator[Finding]:
    """Crictl speaks with containerd, which is ready, and lists what runs: nothing."""
    crictl = ("crictl", f"--runtime-endpoint={CRI_SOCKET}", f"--image-endpoint={CRI_SOCKET}")
    done = trial.run(*crictl, "info")
    try:
        rows = json.loads(done.stdout)["status"]["conditions"]
        states = {row["type"]: row["status"] for row in rows}
    except (ValueError, KeyError, TypeError):
        states = {}
    if states.get("RuntimeReady") is not True:
        said = (done.stderr or done.stdout).strip()[-300:]
        yield Finding("RuntimeReady: true", str(states) if states else said, "crictl info")
    listed = trial.run(*crictl, "ps", "--all")
    if listed.exit_code or "CONTAINER" not in listed.stdout:
        yield Finding("a list", (listed.stderr or listed.stdout).strip()[-300:], "crictl ps")


def plugins(trial: HostContext) -> Iterator[Finding]:
    """Each CNI plugin answers the command VERSION, and supports CNI 1.0.0."""
    paths = [path for path in binaries(trial.packages) if path.startswith(f"{CNI_BIN_DIR}/")]
    text = 'echo \'{"cniVersion":"1.0.0"}\' | CNI_COMMAND=VERSION "$1"'
    for done in trial.run_each([("sh", "-c", text, "sh", path) for path in paths]):
        try:
            supported = json.loads(done.stdout)["supportedVersions"]
        except (ValueError, KeyError, TypeError):
            supported = ()
        if "1.0.0" not in supported:
            yield Finding("supportedVersions with 1.0.0", done.stdout[-300:], done.argv[-1])
