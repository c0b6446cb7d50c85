"""What is done to a machine, step by step; each gives findings where it did not go as it should."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kubeparcel.hosts import systemd_node
from kubeparcel.hosts.package_managers import PackageManager
from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.reports.results import Finding
from kubeparcel.verify.install.assertions import ADMIN_EDIT
from kubeparcel.verify.kubelet_contract import (
    CONFIG_FILE,
    DROP_IN_DIR,
    EXTRA_ARGS,
    KUBEADM_FLAGS_FILE,
    UNIT,
)
from kubeparcel.verify.node_setup import CRI_SOCKET, configure_runtime, kubeadm_configuration
from kubeparcel.verify.package_expectations import ENV_HOLDER
from kubeparcel.verify.scenario import HostContext, StepFunction
from kubeparcel.verify.service import kubelet
from kubeparcel.verify.service.assertions import (
    files_of,
    health,
    runs_with,
    unmasked_for,
    untouched,
)
from kubeparcel.verify.service.kubelet import KubeletFiles

KUBEADM = "kubeadm.k8s.io/v1beta4"
ADDRESS = "192.0.2.1"
"""Of the machine, which has no network: from the block for documentation (RFC 5737)."""

PHASES = ("certs all", "kubeconfig all", "kubelet-start")
PODS = 42
"""What the KubeletConfiguration says of maxPods, to be found again in the kubelet."""

FLAGGED = 33
"""What kubeadm is told to give the kubelet as the flag --max-pods, over PODS."""

QPS = 7
"""What another configuration says of eventRecordQPS."""

OVERRIDE = f"/etc/systemd/system/{DROP_IN_DIR}/20-override.conf"
OTHER_CONFIG = "/root/other.yaml"
PRESET = "/etc/systemd/system-preset/00-site.preset"


def documents(version: str) -> tuple[Mapping[str, Any], ...]:
    """What kubeadm is told. The kubelet may be asked for its settings by anyone on the machine."""
    return (
        {
            "apiVersion": KUBEADM,
            "kind": "InitConfiguration",
            "localAPIEndpoint": {"advertiseAddress": ADDRESS},
            "nodeRegistration": {
                "criSocket": CRI_SOCKET,
                "kubeletExtraArgs": [{"name": "max-pods", "value": str(FLAGGED)}],
            },
        },
        {
            "apiVersion": KUBEADM,
            "kind": "ClusterConfiguration",
            "kubernetesVersion": version,
            "encryptionAlgorithm": "ECDSA-P256",  # keys that are made in no time
        },
        {
            "kind": "KubeletConfiguration",
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},
            "maxPods": PODS,
        },
    )


def install(trial: HostContext) -> Iterator[Finding]:
    """The packages under proof, at exactly their versions."""
    yield from _become(trial, trial.package_manager.install, trial.packages.versions)


def install_earlier(trial: HostContext) -> Iterator[Finding]:
    """Those that the scenario begins with, at exactly their versions."""
    yield from _become(trial, trial.package_manager.install, _earlier(trial).versions)


def _become(trial: HostContext, command: str, wanted: Mapping[str, str]) -> Iterator[Finding]:
    """One of the manager's commands brings packages to exactly these versions."""
    yield from trial.run_manager(command, trial.package_manager.at_versions(wanted))
    found = trial.installed_versions(tuple(wanted))
    for name, version in wanted.items():
        if found.get(name) != version:
            yield Finding(f"{name} {version}", f"{name} {found.get(name, 'not installed')}")


def prepare(trial: HostContext) -> Iterator[Finding]:
    """The machine has an address, and a container runtime that fits it."""
    trial.script('ip address replace "$1/32" dev lo', ADDRESS)
    configure_runtime(trial.container)
    yield from ()


def kubeadm(trial: HostContext) -> Iterator[Finding]:
    """Kubeadm's phases up to the kubelet's start: no API server, no etcd."""
    version = trial.run("kubeadm", "version", "--output=short").stdout.strip()
    text = kubeadm_configuration(trial.container, *documents(version))
    trial.container.write_file("/root/kubeadm.yaml", text)
    trial.evidence["/root/kubeadm.yaml"] = text
    for phase in PHASES:
        argv = ("kubeadm", "init", "phase", *phase.split(), "--config=/root/kubeadm.yaml")
        done = trial.run(*argv)
        if done.exit_code:
            yield Finding(
                "exit code 0", (done.stderr or done.stdout).strip()[-500:], " ".join(argv)
            )


def run(trial: HostContext) -> Iterator[Finding]:
    """A machine whose kubelet runs, as kubeadm starts it; which process it is is remembered."""
    yield from prepare(trial)
    yield from kubeadm(trial)
    yield from health(trial)
    trial.state["pid"] = kubelet.pid(trial)


def restart(trial: HostContext) -> Iterator[Finding]:
    """Systemd starts the kubelet anew, with what is in files by now."""
    done = trial.run("systemctl", "restart", UNIT)
    if done.exit_code:
        yield Finding("exit code 0", done.stderr.strip(), f"systemctl restart {UNIT}")


def extra_args(value: str, then: StepFunction) -> StepFunction:
    """The administrator writes extra arguments into the environment file, and restarts."""

    def written(trial: HostContext) -> Iterator[Finding]:
        trial.container.write_file(
            KubeletFiles.of(trial.packages).env_file, f"{EXTRA_ARGS}={value}\n"
        )
        yield from restart(trial)
        yield from then(trial)

    return written


def without_files(then: StepFunction) -> StepFunction:
    """Both environment files are gone; afterwards they are back as they were."""

    def gone(trial: HostContext) -> Iterator[Finding]:
        paths = (KUBEADM_FLAGS_FILE, KubeletFiles.of(trial.packages).env_file)
        trial.script('for path; do mv "$path" "$path.away"; done', *paths)
        try:
            yield from restart(trial)
            yield from then(trial)
        finally:
            trial.script('for path; do mv "$path.away" "$path"; done', *paths)

    return gone


def override(lines: Mapping[str, str], then: StepFunction) -> StepFunction:
    """A later drop-in of the administrator's sets variables; afterwards it is gone again."""

    def overridden(trial: HostContext) -> Iterator[Finding]:
        text = "".join(f'Environment="{name}={value}"\n' for name, value in lines.items())
        trial.container.write_file(OVERRIDE, f"[Service]\n{text}")
        trial.script(
            '(cat "$1"; echo "eventRecordQPS: $3") >"$2"', CONFIG_FILE, OTHER_CONFIG, str(QPS)
        )
        trial.run("systemctl", "daemon-reload")
        try:
            yield from restart(trial)
            yield from then(trial)
        finally:
            trial.run("rm", OVERRIDE)
            trial.run("systemctl", "daemon-reload")

    return overridden


def kill(trial: HostContext) -> Iterator[Finding]:
    """The kubelet is killed, and systemd brings it back: another process, healthy."""
    before = kubelet.pid(trial)
    if before == "0":
        yield Finding("a kubelet to kill", kubelet.given_up(trial) or "none runs now", UNIT)
        return
    trial.run("kill", "-KILL", before)
    trial.container.wait_for(
        lambda: kubelet.given_up(trial) or kubelet.pid(trial) not in ("0", before),
        "systemd to start the killed kubelet again",
        30,
        diagnose=lambda: kubelet.last_words(trial),
    )
    yield from _lives(trial)


def reboot(trial: HostContext) -> Iterator[Finding]:
    """The machine goes down and comes up: the kubelet runs with the settings it had."""
    line, settings = kubelet.command_line(trial), kubelet.settings(trial)
    trial.container.restart()
    systemd_node.finish_boot(trial.container)
    dead = list(_lives(trial))
    yield from dead
    if dead:
        return
    after, now = kubelet.command_line(trial), kubelet.settings(trial)
    if after != line:
        yield Finding("\n".join(line), "\n".join(after), "the command line")
    for name in sorted({*settings, *now}):
        if settings.get(name) != now.get(name):
            yield Finding(f"{name}: {settings.get(name)}", f"{name}: {now.get(name)}", "configz")


def _lives(trial: HostContext) -> Iterator[Finding]:
    """Healthy, or a finding as soon as systemd does not try to start it any more."""
    state = kubelet.given_up(trial)
    if state:
        yield Finding("a kubelet that runs", state, UNIT)
    else:
        yield from health(trial)


def upgrade(name: str) -> StepFunction:
    """One package is upgraded; the running kubelet is left alone."""

    def upgraded(trial: HostContext) -> Iterator[Finding]:
        wanted = {name: trial.packages.versions[name]}
        yield from _become(trial, trial.package_manager.install, wanted)
        trial.state[name] = "\n".join(trial.evidence.values())
        yield from untouched(trial)

    return upgraded


def renew(trial: HostContext) -> Iterator[Finding]:
    """The administrator does as told: the new kubelet runs as kubeadm started the old one."""
    yield from restart(trial)
    yield from runs_with(maxPods=FLAGGED)(trial)
    trial.state["pid"] = kubelet.pid(trial)


def remove(name: str) -> StepFunction:
    """One package is removed; the kubelet runs on, and its own files are as packaged."""

    def removed(trial: HostContext) -> Iterator[Finding]:
        yield from trial.run_manager(trial.package_manager.remove, [name])
        if name in trial.installed_versions([name]):
            yield Finding(f"no {name}", "still installed")
        yield from untouched(trial)
        done = trial.run(*PackageManager.argv(trial.package_manager.verify, [ENV_HOLDER]))
        if done.exit_code or done.stdout.strip():
            yield Finding("as packaged", done.stdout.strip() or done.stderr.strip(), ENV_HOLDER)

    return removed


def remove_kubelet(trial: HostContext) -> Iterator[Finding]:
    """The kubelet's own package is removed."""
    yield from trial.run_manager(trial.package_manager.remove, [ENV_HOLDER])


def preset(trial: HostContext) -> Iterator[Finding]:
    """The site's preset says that the kubelet is not to be enabled; then its package comes."""
    trial.container.write_file(PRESET, f"disable {UNIT}\n")
    yield from trial.run_manager(trial.package_manager.install, [ENV_HOLDER])


def reinstall(trial: HostContext) -> Iterator[Finding]:
    """The site's preset goes, and the package is installed over itself: no first installation."""
    trial.run("rm", PRESET)
    yield from trial.run_manager(trial.package_manager.reinstall, [ENV_HOLDER])


def to_other_layout(trial: HostContext) -> Iterator[Finding]:
    """From these packages back to those of the other layout, while the kubelet runs."""
    other = _earlier(trial)
    yield from _become(trial, trial.package_manager.downgrade, other.versions)
    yield from _settled(trial, other)


def to_this_layout(trial: HostContext) -> Iterator[Finding]:
    """From the packages of the other layout to these, while the kubelet runs."""
    other, versions = _earlier(trial).versions, trial.packages.versions
    wanted = {name: versions[name] for name in other if name in versions}
    yield from _become(trial, trial.package_manager.install, wanted)
    yield from _settled(trial, trial.packages)


def _settled(trial: HostContext, installed: PackageSet) -> Iterator[Finding]:
    """Exactly the drop-in of what is installed has effect, and the kubelet was left alone."""
    yield from files_of(installed)(trial)
    yield from unmasked_for(installed)(trial)
    yield from untouched(trial)


def with_edit(trial: HostContext) -> Iterator[Finding]:
    """The administrator edits the drop-in where that is in /etc, and then the layout changes."""
    in_etc = next(s for s in (_earlier(trial), trial.packages) if _in_etc(s))
    if in_etc is trial.packages:
        yield from to_this_layout(trial)
    path = KubeletFiles.of(in_etc).drop_in
    trial.script('echo "$2" >>"$1"', path, ADMIN_EDIT)
    trial.state["edited"] = path
    yield from (to_other_layout if in_etc is trial.packages else to_this_layout)(trial)


def _in_etc(packages: PackageSet) -> bool:
    return KubeletFiles.of(packages).drop_in.startswith("/etc/")


def _earlier(trial: HostContext) -> PackageSet:
    assert trial.previous  # noqa: S101 - the scenario applies only then
    return trial.previous
