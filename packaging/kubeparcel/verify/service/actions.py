"""Actions on a node: kubeadm starts the kubelet, the administrator changes how it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any

import yaml

from kubeparcel.hosts import systemd_node
from kubeparcel.reports.results import Finding
from kubeparcel.verify import kubelet
from kubeparcel.verify.kubelet_contract import CONFIG_FILE, DROP_IN_DIR, FIPS_ONLY, KUBEADM_FLAGS_FILE, KUBELET, UNIT
from kubeparcel.verify.node_setup import (
    CRI_SOCKET,
    KUBEADM_API,
    configure_runtime,
    kubeadm_configuration,
    kubelet_configuration,
)
from kubeparcel.verify.scenario import HostContext, StepFunction

ADDRESS = "192.0.2.1"
"""The machine's address, from the block for documentation (RFC 5737): it has no network."""

PHASES = ("certs all", "kubeconfig all", "kubelet-start")
KUBEADM_CONFIG = "/root/kubeadm.yaml"

CONFIG_MAX_PODS = 42
"""maxPods in the KubeletConfiguration; the running kubelet must have it."""

FLAG_MAX_PODS = 33
"""--max-pods in kubeadm's flags for the kubelet, which takes precedence."""

EVENT_QPS = 7
"""eventRecordQPS in another KubeletConfiguration."""

OPEN_ACCESS: Mapping[str, Any] = {
    "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
    "authorization": {"mode": "AlwaysAllow"},
}
"""Settings with which anyone on the machine may read the kubelet's settings."""

OVERRIDE = f"/etc/systemd/system/{DROP_IN_DIR}/20-override.conf"
OWN_DROP_IN = f"/etc/systemd/system/{DROP_IN_DIR}/20-etcd-service-manager.conf"
OWN_CONFIG = f"/etc/systemd/system/{DROP_IN_DIR}/kubelet.conf"
STATIC_POD = PurePosixPath("/etc/kubernetes/manifests/static-pod.yaml")
OTHER_CONFIG = "/root/other.yaml"


def kubeadm_documents(version: str) -> tuple[Mapping[str, Any], ...]:
    """Return kubeadm's configuration for a node without a cluster."""
    return (
        {
            "apiVersion": KUBEADM_API,
            "kind": "InitConfiguration",
            "localAPIEndpoint": {"advertiseAddress": ADDRESS},
            "nodeRegistration": {
                "criSocket": CRI_SOCKET,
                "kubeletExtraArgs": [{"name": "max-pods", "value": str(FLAG_MAX_PODS)}],
            },
        },
        {
            "apiVersion": KUBEADM_API,
            "kind": "ClusterConfiguration",
            "kubernetesVersion": version,
            "encryptionAlgorithm": "ECDSA-P256",  # the fastest keys to generate
        },
        {"kind": "KubeletConfiguration", **OPEN_ACCESS, "maxPods": CONFIG_MAX_PODS},
    )


def prepare_node(context: HostContext) -> tuple[()]:
    """Give the machine an address, and configure its container runtime."""
    context.script('ip address replace "$1/32" dev lo', ADDRESS)
    configure_runtime(context.container, context.packages.cni_bin_dir)
    return ()


def run_kubeadm(context: HostContext, *environment: str) -> Iterator[Finding]:
    """Run kubeadm's phases up to the kubelet's start: no API server, no etcd."""
    kubeadm = (*(("env", *environment) if environment else ()), "kubeadm")
    version = context.run("kubeadm", "version", "--output=short").stdout.strip()
    text = kubeadm_configuration(context.container, *kubeadm_documents(version))
    context.container.write_file(KUBEADM_CONFIG, text)
    context.evidence[KUBEADM_CONFIG] = text
    for phase in PHASES:
        yield from context.run_successfully(*kubeadm, "init", "phase", *phase.split(), f"--config={KUBEADM_CONFIG}")


def start_kubelet(context: HostContext) -> Iterator[Finding]:
    """Prepare the machine, let kubeadm start the kubelet, and record its process."""
    prepare_node(context)
    yield from run_kubeadm(context)
    kubelet.wait_until_healthy(context)
    context.state["pid"] = kubelet.main_pid(context)


def start_with_fips_only(context: HostContext) -> Iterator[Finding]:
    """Let kubeadm start the kubelet, both with GODEBUG=fips140=only, as an administrator's drop-in sets it."""
    prepare_node(context)
    with _drop_in(context, OVERRIDE, f"Environment={FIPS_ONLY}", keep=True):
        yield from run_kubeadm(context, FIPS_ONLY)
    kubelet.wait_until_healthy(context)


@contextmanager
def _drop_in(context: HostContext, path: str, settings: str, *, keep: bool = False) -> Iterator[None]:
    """Add a drop-in with settings of [Service] to the kubelet's unit, until the block ends unless `keep`."""
    context.container.write_file(path, f"[Service]\n{settings}\n")
    context.run("systemctl", "daemon-reload")
    try:
        yield
    finally:
        if not keep:
            context.run("rm", path)
            context.run("systemctl", "daemon-reload")


def with_extra_arguments(value: str, then: StepFunction) -> StepFunction:
    """Return a step that sets the administrator's arguments, restarts, and runs another step."""

    def run(context: HostContext) -> Iterator[Finding]:
        yield from kubelet.set_extra_arguments(context, value)
        yield from then(context)

    return run


def without_environment_files(then: StepFunction) -> StepFunction:
    """Return a step that runs another one while both environment files are missing."""

    def run(context: HostContext) -> Iterator[Finding]:
        paths = (KUBEADM_FLAGS_FILE, kubelet.KubeletFiles.of(context.packages).env_file)
        context.script('for path; do mv "$path" "$path.away"; done', *paths)
        try:
            yield from kubelet.restart(context)
            yield from then(context)
        finally:
            context.script('for path; do mv "$path.away" "$path"; done', *paths)

    return run


def with_later_drop_in(variables: Mapping[str, str], then: StepFunction) -> StepFunction:
    """Return a step that runs another one while a later drop-in sets some variables."""

    def run(context: HostContext) -> Iterator[Finding]:
        context.script('(cat "$1"; echo "eventRecordQPS: $3") >"$2"', CONFIG_FILE, OTHER_CONFIG, str(EVENT_QPS))
        settings = "\n".join(f'Environment="{name}={value}"' for name, value in variables.items())
        with _drop_in(context, OVERRIDE, settings):
            yield from kubelet.restart(context)
            yield from then(context)

    return run


def start_with_own_configuration(context: HostContext) -> Iterator[Finding]:
    """Start the kubelet with an administrator's drop-in, configuration and static pod, before kubeadm.

    As for etcd hosts ("Set up a High Availability etcd Cluster with kubeadm", kubernetes.io).
    """
    configuration = {
        **kubelet_configuration(context.container),
        **OPEN_ACCESS,
        "containerRuntimeEndpoint": CRI_SOCKET,
        "staticPodPath": STATIC_POD.parent.as_posix(),
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": STATIC_POD.stem, "namespace": "kube-system"},
        "spec": {"containers": [{"name": "main", "image": "localhost/none:1", "imagePullPolicy": "Never"}]},
    }
    context.container.write_file(OWN_CONFIG, yaml.safe_dump(configuration))
    context.container.write_file(str(STATIC_POD), yaml.safe_dump(pod))
    with _drop_in(context, OWN_DROP_IN, f"ExecStart=\nExecStart={KUBELET} --config={OWN_CONFIG}"):
        try:
            yield from kubelet.restart(context)
            yield from kubelet.assert_unit_properties(context, ConditionResult="yes")
            if kubelet.main_pid(context) != "0":
                kubelet.wait_until_healthy(context)
                yield from kubelet.assert_command_line(context, [KUBELET, f"--config={OWN_CONFIG}"])
                kubelet.wait_for_pod(context, STATIC_POD.stem)
        finally:
            context.run("systemctl", "stop", UNIT)
            context.run("rm", OWN_CONFIG, str(STATIC_POD))


def kill_kubelet(context: HostContext) -> Iterator[Finding]:
    """Kill the kubelet: systemd starts it again as another process, which is healthy."""
    findings = list(kubelet.kill(context))
    yield from findings or _runs_again(context)


def reboot(context: HostContext) -> Iterator[Finding]:
    """Restart the machine: the kubelet runs with the same arguments and settings as before."""
    arguments, settings = kubelet.command_line(context), kubelet.running_settings(context)
    context.container.restart()
    systemd_node.finish_boot(context.container)
    problems = list(_runs_again(context))
    yield from problems
    if problems:
        return
    yield from kubelet.assert_command_line(context, arguments)
    running = kubelet.running_settings(context)
    for name in sorted({*settings, *running}):
        if settings.get(name) != running.get(name):
            expected, found = (f"{name}: {values.get(name)}" for values in (settings, running))
            yield Finding(expected, found, "configz")


def _runs_again(context: HostContext) -> Iterator[Finding]:
    """Report a kubelet that systemd does not start, or that does not become healthy."""
    if state := kubelet.stopped_state(context):
        yield Finding("a running kubelet", state, UNIT)
    else:
        kubelet.wait_until_healthy(context)
