"""What must hold in a cluster: questions about it in the state it is in by then."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from ipaddress import ip_network
from typing import Any

import yaml

from kubeparcel.hosts.engine import WaitTimeout
from kubeparcel.model import Format
from kubeparcel.reports.results import Finding
from kubeparcel.verify.cluster.documents import DNS, DOMAIN, FLAG, LABEL, MARK, PODS, SERVICES
from kubeparcel.verify.cluster.machines import Cluster, Machine
from kubeparcel.verify.node_setup import HEALTHZ_URL

CONFIG, FLAGS = "/var/lib/kubelet/config.yaml", "/var/lib/kubelet/kubeadm-flags.env"
KUBELET_CONF = "/etc/kubernetes/kubelet.conf"
BOOTSTRAP_CONF = "/etc/kubernetes/bootstrap-kubelet.conf"
ORDER = (
    "/usr/bin/kubelet",
    f"--bootstrap-kubeconfig={BOOTSTRAP_CONF}",
    f"--kubeconfig={KUBELET_CONF}",
    f"--config={CONFIG}",
)
"""How a kubelet's command line begins under kubeadm's drop-in; flags and extra flags follow."""

ENVIRONMENT = {Format.DEB: "/etc/default/kubelet", Format.RPM: "/etc/sysconfig/kubelet"}

HEALTHY_TIMEOUT = 60.0
"""Seconds that a kubelet may take to be healthy after its start."""

STATIC = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")

Question = Callable[[Cluster], Iterable[Finding]]


def on(which: str, question: Callable[[Cluster, Machine], Iterable[Finding]]) -> Question:
    """A question about one machine of the cluster, `plane` or `worker`."""

    def asked(cluster: Cluster) -> Iterator[Finding]:
        yield from question(cluster, cluster.machine(which))

    return asked


def versions(cluster: Cluster) -> Iterator[Finding]:
    """Both machines have the packages at exactly their versions, from the start."""
    for machine in cluster.machines:
        yield from machine.context.assert_versions(
            machine.context.previous or machine.context.packages
        )


def waiting(cluster: Cluster) -> Iterator[Finding]:
    """Before kubeadm the kubelet is enabled and waits: it does not run, and did not fail."""
    wanted = {
        "UnitFileState": "enabled",
        "ActiveState": "inactive",
        "Result": "success",
        "NRestarts": "0",
    }
    for machine in cluster.machines:
        rows = _unit(machine, *wanted)
        for name, value in wanted.items():
            if rows.get(name) != value:
                yield Finding(f"{name}={value}", f"{name}={rows.get(name)}", machine.name)


def defaults(cluster: Cluster) -> Iterator[Finding]:
    """`kubeadm config print init-defaults` shows the kubelet's and the networks' defaults."""
    command = "kubeadm config print init-defaults --component-configs KubeletConfiguration"
    done = cluster.control_plane.context.run(*command.split())
    rows = {row["kind"]: row for row in yaml.safe_load_all(done.stdout) if row}
    subnet = rows.get("ClusterConfiguration", {}).get("networking", {}).get("serviceSubnet")
    yield from _same("serviceSubnet", "10.96.0.0/12", subnet)
    yield from _same("clusterDNS", ["10.96.0.10"], _kubelet(rows).get("clusterDNS"))
    yield from _same("staticPodPath", "/etc/kubernetes/manifests", _kubelet(rows)["staticPodPath"])


def _kubelet(rows: dict[str, Any]) -> dict[str, Any]:
    return dict(rows.get("KubeletConfiguration", {"staticPodPath": None}))


def configuration(_: Cluster, machine: Machine) -> Iterator[Finding]:
    """config.yaml has what was given to `kubeadm init`: our marks, the cluster's DNS and domain."""
    found = yaml.safe_load(machine.context.run("cat", CONFIG).stdout) or {}
    yield from _cluster_wide(found, CONFIG)


def config_map(cluster: Cluster) -> Iterator[Finding]:
    """The ConfigMap kubelet-config has the same, for nodes that are still to come."""
    said = cluster.kubectl(
        "--namespace=kube-system", "get", "configmap/kubelet-config", "--output=json"
    )
    text = json.loads(said.stdout or "{}").get("data", {}).get("kubelet", "")
    yield from _cluster_wide(yaml.safe_load(text) or {}, "ConfigMap kubelet-config")


def services(cluster: Cluster) -> Iterator[Finding]:
    """The API server's own service has the first address of the range given to `kubeadm init`."""
    form = "--output=jsonpath={.spec.clusterIP}"
    found = cluster.kubectl("get", "service", "kubernetes", form).stdout.strip()
    first = str(next(ip_network(SERVICES).hosts()))
    yield from _same("clusterIP", first, found, "service kubernetes")


def _cluster_wide(found: dict[str, Any], where: str) -> Iterator[Finding]:
    for name, value in {**MARK, "clusterDNS": [DNS], "clusterDomain": DOMAIN}.items():
        yield from _same(name, value, found.get(name), where)


def credentials(_: Cluster, machine: Machine) -> Iterator[Finding]:
    """kubelet.conf names client certificates, and they are there."""
    found = yaml.safe_load(machine.context.run("cat", KUBELET_CONF).stdout) or {}
    user = (found.get("users") or [{}])[0].get("user", {})
    for field in ("client-certificate", "client-key"):
        path = str(user.get(field, ""))
        if not path.startswith("/var/lib/kubelet/pki/"):
            yield Finding(f"{field} below /var/lib/kubelet/pki", path or "none", KUBELET_CONF)
        elif machine.context.run("test", "-s", path).exit_code:
            yield Finding("a certificate", "no file, or an empty one", path)


def flags(_: Cluster, machine: Machine) -> Iterator[Finding]:
    """kubeadm-flags.env has the instance's own settings (kubeletExtraArgs)."""
    text = machine.context.run("cat", FLAGS).stdout
    said = _arguments(text.strip().partition("=")[2])
    for wanted in _own(machine):
        if wanted not in said:
            yield Finding(wanted, text.strip() or "nothing", FLAGS)


def _own(machine: Machine) -> tuple[str, ...]:
    return f"--node-ip={machine.address}", f"--node-labels={LABEL}={machine.name}"


def command_line(_: Cluster, machine: Machine) -> Iterator[Finding]:
    """The kubelet runs with the drop-in's arguments in order, then kubeadm's, then the extra."""
    healthy(machine)
    found = live(machine)
    flags_ = _arguments(machine.container.read_file(FLAGS).strip().partition("=")[2])
    wanted = [*ORDER, *flags_, *extra(machine)]
    if found != wanted:
        yield Finding(
            shlex.join(wanted), shlex.join(found) or "it does not run", "/proc/PID/cmdline"
        )


def live(machine: Machine) -> list[str]:
    """The arguments of the kubelet that runs, empty when none does."""
    done = machine.context.script(
        'pid=$(systemctl show -p MainPID --value kubelet); [ "$pid" -gt 0 ]; '
        'tr "\\0" "\\n" <"/proc/$pid/cmdline"'
    )
    return done.stdout.splitlines()


def extra(machine: Machine) -> list[str]:
    """The KUBELET_EXTRA_ARGS of the package's environment file."""
    text = machine.container.read_file(ENVIRONMENT[machine.container.host.format])
    found = re.findall(r"^KUBELET_EXTRA_ARGS=(.*)$", text, re.MULTILINE)
    return _arguments(found[-1]) if found else []


def _arguments(value: str) -> list[str]:
    return [word for part in shlex.split(value) for word in part.split()]


def reloaded(_: Cluster, machine: Machine) -> Iterator[Finding]:
    """Systemd read its units again and started the kubelet, which is healthy."""
    rows = _unit(machine, "NeedDaemonReload", "ActiveState", "UnitFileState")
    wanted = {"NeedDaemonReload": "no", "ActiveState": "active", "UnitFileState": "enabled"}
    for name, value in wanted.items():
        yield from _same(name, value, rows.get(name), "kubelet.service")
    healthy(machine)
    machine.context.run("curl", "--silent", "--show-error", HEALTHZ_URL)


def healthy(machine: Machine) -> None:
    """Wait until the kubelet says ok: kubeadm has just started it anew, or an administrator.

    Raises WaitTimeout with the kubelet's last words.
    """
    ask = ("curl", "--silent", HEALTHZ_URL)
    tell = ("journalctl", "--no-pager", "--unit=kubelet", "--lines=40")
    machine.container.wait_for(
        lambda: machine.container.run(*ask, check=False).stdout.strip() == "ok",
        f"the kubelet of {machine.name} to say ok",
        HEALTHY_TIMEOUT,
        0.2,
        lambda: machine.container.run(*tell, check=False).stdout,
    )


def _unit(machine: Machine, *names: str) -> dict[str, str]:
    argv = ("systemctl", "show", "kubelet", *(f"--property={name}" for name in names))
    lines = machine.context.run(*argv).stdout.splitlines()
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def control_plane(cluster: Cluster) -> Iterator[Finding]:
    """etcd, API server, controller manager and scheduler run, and the API says it is ready."""
    with suppress(WaitTimeout):  # what is still missing then is a finding
        what = "the control plane's containers to run"
        cluster.control_plane.container.wait_for(
            lambda: set(STATIC) <= _running(cluster), what, HEALTHY_TIMEOUT
        )
    said = cluster.kubectl("get", "--raw", "/readyz?verbose").stdout
    if "readyz check passed" not in said:
        yield Finding("readyz check passed", said.strip()[-400:] or "no answer", "/readyz")
    running = _running(cluster)
    for name in STATIC:
        if name not in running:
            yield Finding(f"{name} runs", f"running: {', '.join(sorted(running)) or 'nothing'}")


def _running(cluster: Cluster) -> set[str]:
    """The control plane's containers that run now, by name."""
    listed = json.loads(
        cluster.control_plane.context.run("crictl", "ps", "--output=json").stdout or "{}"
    )
    return {
        row["metadata"]["name"]
        for row in listed.get("containers", [])
        if row["state"] == "CONTAINER_RUNNING"
    }


def bootstrapped(cluster: Cluster) -> Iterator[Finding]:
    """The worker came by TLS bootstrap: its request was approved, the token's file is gone."""
    rows = json.loads(cluster.kubectl("get", "csr", "--output=json").stdout or "{}")
    mine = [
        row
        for row in rows.get("items", [])
        if row["spec"]["username"].startswith("system:bootstrap:")
    ]
    kinds = {one["type"] for row in mine for one in row["status"].get("conditions", ())}
    if "Approved" not in kinds or not any(row["status"].get("certificate") for row in mine):
        yield Finding("a bootstrap request, Approved and Issued", f"{len(mine)} requests, {kinds}")
    if not cluster.worker.context.run("test", "-e", BOOTSTRAP_CONF).exit_code:
        yield Finding("no file: it was for the first start", "a file", BOOTSTRAP_CONF)


def settings(cluster: Cluster) -> Iterator[Finding]:
    """The plane's own flag wins over the cluster's setting, which the worker has."""
    for machine, wanted in ((cluster.control_plane, FLAG), (cluster.worker, str(MARK["maxPods"]))):
        yield from capacity(cluster, machine, wanted)
        label = node(cluster, machine).get("metadata", {}).get("labels", {}).get(LABEL)
        yield from _same(f"label {LABEL}", machine.name, label, f"node {machine.name}")


def capacity(cluster: Cluster, machine: Machine, wanted: str) -> Iterator[Finding]:
    """How many pods a node says it takes: the setting that won."""
    found = node(cluster, machine).get("status", {}).get("capacity", {}).get("pods")
    yield from _same("capacity of pods", wanted, found, f"node {machine.name}")


def node(cluster: Cluster, machine: Machine) -> dict[str, Any]:
    """A node as the API has it."""
    said = cluster.query("get", "node", machine.name, "--output=json")
    found: dict[str, Any] = json.loads(said or "{}")
    shown = {"status": {k: found.get("status", {}).get(k) for k in ("capacity", "nodeInfo")}}
    machine.context.evidence[f"kubectl get node {machine.name}"] = json.dumps(shown, indent=1)
    return found


def part(cluster: Cluster, machine: Machine) -> str:
    """A node's part of the pods' network; the controller manager gives it soon after the join."""
    return machine.container.wait_for(
        lambda: str(node(cluster, machine).get("spec", {}).get("podCIDR", "")),
        f"the node {machine.name} to get a part of {PODS}",
        HEALTHY_TIMEOUT,
    )


def ready(cluster: Cluster, machine: Machine, version: str = "") -> bool:
    """Whether a node says Ready, and is at a version when one is given."""
    form = (
        "--output=jsonpath={.status.conditions[?(@.type=='Ready')].status} "
        "{.status.nodeInfo.kubeletVersion}"
    )
    said = cluster.query("get", "node", machine.name, form).split()
    return said[:1] == ["True"] and (not version or said[1:] == [f"v{version}"])


def subnets(cluster: Cluster) -> Iterator[Finding]:
    """Each node has a part of the pods' network."""
    for machine in cluster.machines:
        found = part(cluster, machine)
        if not found.startswith(PODS.rpartition(".0.0/")[0] + "."):
            yield Finding(f"a part of {PODS}", found or "none", f"node {machine.name}")


def _same(name: str, wanted: object, found: object, where: str = "") -> Iterator[Finding]:
    if found != wanted:
        yield Finding(f"{name}: {wanted}", f"{name}: {found}", where)
