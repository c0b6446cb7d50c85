"""What is done to a cluster, step by step; each gives findings where it did not go as it should."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import yaml

from kubeparcel.images import control_plane
from kubeparcel.model import Version
from kubeparcel.process import CompletedProcess
from kubeparcel.reports.results import Finding
from kubeparcel.verify.cluster import assertions, documents
from kubeparcel.verify.cluster.machines import ADMIN, STORE, Cluster, Machine
from kubeparcel.verify.node_setup import kubeadm_configuration
from kubeparcel.verify.package_expectations import binaries

INIT, JOIN, UPGRADE = "/root/init.yaml", "/root/join.yaml", "/root/upgrade.yaml"
NODE_READY_TIMEOUT = 120.0
"""Seconds that a node may take to become Ready."""


def images(cluster: Cluster) -> Iterator[Finding]:
    """The control plane's images reach both machines without a registry."""
    yield from provide(cluster, cluster.initial_release)


def provide(cluster: Cluster, version: Version) -> Iterator[Finding]:
    """Import the images that kubeadm wants for a version; coredns and kube-proxy are not needed."""
    here, wanted = cluster.session, cluster.images(version)
    file = control_plane.control_plane_archive(
        version, wanted, here.store, here.log, engine=here.engine, locations=here.locations
    )
    inside = f"{STORE}/{file.relative_to(here.store.root)}"
    with ThreadPoolExecutor(len(cluster.machines)) as pool:
        list(pool.map(lambda machine: _import(machine, inside), cluster.machines))
    for machine in cluster.machines:
        listed = json.loads(machine.context.run("crictl", "images", "--output=json").stdout)
        there = {tag for row in listed["images"] for tag in row["repoTags"]}
        for name in wanted:
            if name not in there and re.search(r"/(kube-(?!proxy)|etcd|pause)", name):
                yield Finding(name, "crictl does not list it", machine.name)


def _import(machine: Machine, file: str) -> None:
    words = ("ctr", "--namespace=k8s.io", "images", "import", file)
    machine.container.run(
        *words, timeout=240, description="the control plane's images to be imported"
    )


def init(cluster: Cluster) -> Iterator[Finding]:
    """`kubeadm init` from a configuration file with a KubeletConfiguration."""
    plane = cluster.control_plane
    wanted = documents.init(f"v{cluster.initial_release}", plane.name, plane.address)
    plane.container.write_file(INIT, kubeadm_configuration(plane.container, *wanted))
    plane.context.run("cat", INIT)
    yield from _well(plane.context.run("kubeadm", "init", "--config", INIT, timeout=300))


def join(cluster: Cluster) -> Iterator[Finding]:
    """`kubeadm join` with a bootstrap token that the control plane gives out."""
    plane, worker = cluster.control_plane, cluster.worker
    said = plane.container.run(
        *("kubeadm", f"--kubeconfig={ADMIN}", "token", "create", "--print-join-command"),
        timeout=60,
    ).stdout
    found = re.search(r"join (\S+) --token (\S+) .*(sha256:\w+)", said)
    if not found:
        yield Finding("kubeadm join HOST:PORT --token … sha256:…", said.strip() or "nothing")
        return
    document = documents.join(worker.name, worker.address, *found.groups())
    worker.container.write_file(JOIN, yaml.safe_dump(document))
    yield from _well(worker.context.run("kubeadm", "join", "--config", JOIN, timeout=180))


def network(cluster: Cluster) -> Iterator[Finding]:
    """Our CNI plugins are configured on each node with its part of the pods' network."""
    parts = {m.name: assertions.part(cluster, m) for m in cluster.machines}
    for machine, other in (cluster.machines, cluster.machines[::-1]):
        text = json.dumps(documents.network(parts[machine.name]), indent=2)
        machine.container.write_file("/etc/cni/net.d/10-proof.conflist", text)
        machine.context.run("ip", "route", "replace", parts[other.name], "via", other.address)
    yield from become_ready(cluster)


def become_ready(cluster: Cluster, version: Version | None = None) -> Iterator[Finding]:
    """Both nodes become Ready, at a version when one is given."""
    for machine in cluster.machines:
        _until_ready(cluster, machine, version)
    cluster.kubectl("get", "nodes", "--output=wide")
    yield from ()


def _until_ready(cluster: Cluster, machine: Machine, version: Version | None = None) -> None:
    machine.container.wait_for(
        lambda: assertions.ready(cluster, machine, str(version or "")),
        f"the node {machine.name} to be Ready" + (f" at v{version}" if version else ""),
        NODE_READY_TIMEOUT,
        diagnose=lambda: cluster.query("describe", "node", machine.name)[-3000:],
    )


def pods(cluster: Cluster) -> Iterator[Finding]:
    """A pod runs on each node, with an address from our plugins, and crictl sees it."""
    names = [machine.name for machine in cluster.machines]
    text = json.dumps(documents.pods(cluster.pause, names))
    cluster.control_plane.container.write_file("/root/pods.json", text)
    yield from _well(cluster.kubectl("apply", "--filename=/root/pods.json"))
    cluster.control_plane.container.wait_for(
        lambda: len(_running(cluster)) == len(names),
        "the pods to run",
        NODE_READY_TIMEOUT,
        diagnose=lambda: cluster.query("describe", "pods", "--show-events")[-3000:],
    )
    cluster.kubectl("get", "pods", "--output=wide")
    for machine in cluster.machines:
        yield from _pod(cluster, machine)


def _running(cluster: Cluster) -> Mapping[str, str]:
    """The addresses of the pods that run, by node."""
    said = cluster.query("get", "pods", "--selector=app=probe", "--output=json")
    rows: list[dict[str, Any]] = json.loads(said or "{}").get("items", [])
    return {
        row["spec"]["nodeName"]: row["status"]["podIP"]
        for row in rows
        if row["status"].get("phase") == "Running" and row["status"].get("podIP")
    }


def _pod(cluster: Cluster, machine: Machine) -> Iterator[Finding]:
    address = _running(cluster)[machine.name]
    part = assertions.part(cluster, machine)
    if not address.startswith(part.rpartition(".")[0] + "."):
        yield Finding(f"an address in {part}", address, f"pod on {machine.name}")
    bridge = machine.context.run("ip", "-oneline", "address", "show", "cni0")
    if bridge.exit_code:
        yield Finding("a bridge cni0, made by our plugin", bridge.stderr.strip(), machine.name)
    seen = machine.context.run("crictl", "pods", "--name", f"probe-{machine.name}", "--state=ready")
    if f"probe-{machine.name}" not in seen.stdout:
        yield Finding(f"crictl lists probe-{machine.name}", seen.stdout or seen.stderr or "none")


def reachable(cluster: Cluster) -> Iterator[Finding]:
    """Each pod is reached from both nodes: it refuses the connection, for nothing listens in it."""
    addresses = _running(cluster)
    for machine in cluster.machines:
        if machine.name not in addresses:
            yield Finding(f"a pod on {machine.name} that runs", "none", f"node {machine.name}")
    for node, address in addresses.items():
        for machine in cluster.machines:
            done = machine.context.run(
                "timeout", "10", "bash", "-c", f"exec 3<>/dev/tcp/{address}/9", timeout=20
            )
            if "refused" not in done.stderr:
                said = done.stderr.strip() or "no answer"
                yield Finding("Connection refused by the pod", said, f"{machine.name} → {node}")


def runtime(cluster: Cluster) -> Iterator[Finding]:
    """Crictl talks to the runtime, which is ready and has its network; each plugin answers."""
    for machine in cluster.machines:
        info = json.loads(machine.context.run("crictl", "info").stdout or "{}")
        states = {row["type"]: row["status"] for row in info["status"]["conditions"]}
        for name in ("RuntimeReady", "NetworkReady"):
            if states.get(name) is not True:
                yield Finding(f"{name}: true", f"{name}: {states.get(name)}", machine.name)


def last_resort(cluster: Cluster) -> Iterator[Finding]:
    """KUBELET_EXTRA_ARGS of the environment file wins over flags and configuration."""
    for machine, wanted in ((cluster.control_plane, "18"), (cluster.worker, "17")):
        path = assertions.ENVIRONMENT[machine.container.host.format]
        machine.container.write_file(path, f"KUBELET_EXTRA_ARGS=--max-pods={wanted}\n")
        yield from _well(machine.context.run("systemctl", "restart", "kubelet"))
        others = list(assertions.command_line(cluster, machine))
        yield from others
        if not others:  # else another setting wins, and will go on winning
            _until_capacity(cluster, machine, wanted)


def _until_capacity(cluster: Cluster, machine: Machine, wanted: str) -> None:
    machine.container.wait_for(
        lambda: not list(assertions.capacity(cluster, machine, wanted)),
        f"the node {machine.name} to take {wanted} pods",
        NODE_READY_TIMEOUT,
        diagnose=lambda: json.dumps(assertions.node(cluster, machine).get("status"))[-2000:],
    )


def reset(cluster: Cluster) -> Iterator[Finding]:
    """`kubeadm reset` on the worker, then on the control plane: the kubelet stops and waits."""
    for machine in reversed(cluster.machines):
        yield from _well(machine.context.run("kubeadm", "reset", "--force", timeout=180))
        for path in (assertions.CONFIG, assertions.FLAGS, assertions.KUBELET_CONF, ADMIN):
            if not machine.container.run("test", "-e", path, check=False).exit_code:
                yield Finding("nothing: it was reset", "a file", f"{machine.name}: {path}")


def purge(cluster: Cluster) -> Iterator[Finding]:
    """After that the packages go away without a complaint."""
    for machine in cluster.machines:
        trial = machine.context
        yield from trial.run_manager(
            trial.package_manager.purge or trial.package_manager.remove, trial.packages.names
        )
        for done in trial.run_each(
            [("test", "!", "-e", path) for path in binaries(trial.packages)]
        ):
            if done.exit_code:
                yield Finding("nothing there", "a program", f"{machine.name}: {done.argv[-1]}")


def _well(done: CompletedProcess) -> Iterator[Finding]:
    if done.exit_code:
        said = f"{done.stdout}\n{done.stderr}".strip().splitlines()
        yield Finding("exit code 0", f"exit code {done.exit_code}\n" + "\n".join(said[-15:]))
