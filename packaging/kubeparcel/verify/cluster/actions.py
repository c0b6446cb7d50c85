"""Actions on a cluster: create it, run pods, change settings, upgrade it as documented, and take it apart again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import yaml

from kubeparcel.hosts.session import Session
from kubeparcel.images import control_plane
from kubeparcel.model import Version
from kubeparcel.reports.results import Finding
from kubeparcel.verify import kubelet
from kubeparcel.verify.cluster import assertions, documents
from kubeparcel.verify.cluster.machines import ADMIN_CONF, CONTROL_PLANE, STORE, WORKER, Cluster, Machine
from kubeparcel.verify.install.steps import programs_removed
from kubeparcel.verify.kubelet_contract import CONFIG_FILE, KUBEADM_FLAGS_FILE
from kubeparcel.verify.node_setup import kubeadm_configuration
from kubeparcel.verify.package_steps import manage
from kubeparcel.verify.scenario import CURRENT_DIR, describe_output

INIT_CONFIG, JOIN_CONFIG = "/root/init.yaml", "/root/join.yaml"
POD_MANIFEST = "/root/pods.json"
CNI_CONFIG = "/etc/cni/net.d/10-kubeparcel.conflist"
EXTRA_MAX_PODS = {CONTROL_PLANE: "18", WORKER: "17"}

NODE_READY_TIMEOUT = 120.0
"""Seconds that a node, or a pod, may take to become ready."""

INIT_TIMEOUT, JOIN_TIMEOUT, RESET_TIMEOUT = 300.0, 180.0, 180.0
IMPORT_TIMEOUT = 240.0

UPGRADE_CONFIG = "/root/upgrade.yaml"
UPGRADE_TIMEOUTS = {"apply": 420.0, "node": 180.0}
"""Seconds for `kubeadm upgrade`, by command; `apply` waits for each static pod in turn."""


def import_images(cluster: Cluster, version: Version | None = None) -> Iterator[Finding]:
    """Import images without a registry: a control plane's on its machine, the pause image on the worker.

    By default those that the cluster starts with. coredns and kube-proxy are not needed.
    """
    version = version or cluster.initial_release
    names = cluster.images(version)
    needed = ((cluster.control_plane, names), (cluster.worker, [name for name in names if "/pause:" in name]))
    archives = [_image_archive(cluster.session, version, names) for _, names in needed]
    with ThreadPoolExecutor(len(archives)) as pool:
        list(pool.map(_import_archive, cluster.machines, archives))
    for machine, images in needed:
        output = machine.context.run("crictl", "images", "--output=json").stdout
        listed = {tag for image in json.loads(output)["images"] for tag in image["repoTags"]}
        for name in images:
            if name not in listed and re.search(r"/(kube-(?!proxy)|etcd|pause)", name):
                yield Finding(name, "not listed by crictl images", machine.name)


def _image_archive(session: Session, version: Version, names: Sequence[str]) -> str:
    """Return the path at which machines see an archive of images."""
    archive = control_plane.build_archive(
        version, names, session.store, session.log, engine=session.engine, locations=session.locations
    )
    return f"{STORE}/{archive.relative_to(session.store.root)}"


def _import_archive(machine: Machine, archive: str) -> None:
    argv = ("ctr", "--namespace=k8s.io", "images", "import", archive)
    machine.container.run(*argv, timeout=IMPORT_TIMEOUT, description="the import of images")


def kubeadm_init(cluster: Cluster) -> Iterator[Finding]:
    """Run `kubeadm init` from a configuration file with a KubeletConfiguration."""
    machine = cluster.control_plane
    config = documents.init(f"v{cluster.initial_release.release}", machine.name, machine.address)
    machine.container.write_file(INIT_CONFIG, kubeadm_configuration(machine.container, *config))
    machine.context.run("cat", INIT_CONFIG)
    yield from machine.context.run_successfully("kubeadm", "init", "--config", INIT_CONFIG, timeout=INIT_TIMEOUT)


def kubeadm_join(cluster: Cluster) -> Iterator[Finding]:
    """Run `kubeadm join` on the worker, with a bootstrap token from the control plane."""
    argv = ("kubeadm", f"--kubeconfig={ADMIN_CONF}", "token", "create", "--print-join-command")
    output = cluster.control_plane.container.run(*argv, timeout=60).stdout
    arguments = re.search(r"join (\S+) --token (\S+) .*(sha256:\w+)", output)
    if not arguments:
        expected = "kubeadm join HOST:PORT --token … sha256:…"
        yield Finding(expected, output.strip() or "no output", "kubeadm token create")
        return
    worker = cluster.worker
    config = documents.join(worker.name, worker.address, *arguments.groups())
    worker.container.write_file(JOIN_CONFIG, yaml.safe_dump(config))
    yield from worker.context.run_successfully("kubeadm", "join", "--config", JOIN_CONFIG, timeout=JOIN_TIMEOUT)


def configure_network(cluster: Cluster) -> tuple[()]:
    """Configure our CNI plugins on each node with its part of the pod network, and routes."""
    subnets = {machine.name: cluster.wait_for_pod_subnet(machine) for machine in cluster.machines}
    for machine, other in (cluster.machines, cluster.machines[::-1]):
        text = json.dumps(documents.cni_configuration(subnets[machine.name]), indent=2)
        machine.container.write_file(CNI_CONFIG, text)
        machine.context.run("ip", "route", "replace", subnets[other.name], "via", other.address)
    return wait_until_ready(cluster)


def wait_until_ready(cluster: Cluster, version: Version | None = None) -> tuple[()]:
    """Wait until both nodes are Ready, at a version if one is given; raises WaitTimeout."""
    for machine in cluster.machines:
        _wait_until_node_ready(cluster, machine, version)
    cluster.kubectl("get", "nodes", "--output=wide")
    return ()


def _wait_until_node_ready(cluster: Cluster, machine: Machine, version: Version | None) -> None:
    machine.container.wait_for(
        lambda: cluster.is_ready(machine, str(version or "")),
        f"the node {machine.name} to be Ready" + (f" at v{version}" if version else ""),
        NODE_READY_TIMEOUT,
        diagnose=lambda: cluster.query("describe", "node", machine.name)[-3000:],
    )


def run_pods(cluster: Cluster) -> Iterator[Finding]:
    """Run a pod on each node: it has an address from our plugins, and crictl lists it."""
    names = [machine.name for machine in cluster.machines]
    cluster.control_plane.container.write_file(POD_MANIFEST, json.dumps(documents.pods(cluster.pause_image, names)))
    yield from cluster.control_plane.context.failure(cluster.kubectl("apply", f"--filename={POD_MANIFEST}"))
    cluster.control_plane.container.wait_for(
        lambda: len(cluster.running_pods()) == len(names),
        "the pods to run",
        NODE_READY_TIMEOUT,
        diagnose=lambda: cluster.query("describe", "pods", "--show-events")[-3000:],
    )
    cluster.kubectl("get", "pods", "--output=wide")
    for machine in cluster.machines:
        yield from _pod_is_connected(cluster, machine)


def _pod_is_connected(cluster: Cluster, machine: Machine) -> Iterator[Finding]:
    address, subnet = cluster.running_pods()[machine.name], cluster.wait_for_pod_subnet(machine)
    pod = f"{documents.POD_PREFIX}{machine.name}"
    if not address.startswith(subnet.rpartition(".")[0] + "."):
        yield Finding(f"an address in {subnet}", address, f"pod {pod}")
    bridge = machine.context.run("ip", "-oneline", "address", "show", "cni0")
    if bridge.exit_code:
        found = describe_output(bridge, "no such interface")
        yield Finding("a bridge cni0, created by our plugin", found, machine.name)
    pods = machine.context.run("crictl", "pods", "--name", pod, "--state=ready")
    if pod not in pods.stdout:
        found = (pods.stdout or pods.stderr).strip() or "no pods"
        yield Finding(f"{pod} in crictl pods", found, machine.name)


def set_extra_arguments(cluster: Cluster) -> Iterator[Finding]:
    """Set KUBELET_EXTRA_ARGS: it takes precedence over flags and configuration."""
    for machine in cluster.machines:
        max_pods = EXTRA_MAX_PODS[machine.name]
        yield from kubelet.set_extra_arguments(machine.context, f"--max-pods={max_pods}")
        findings = list(assertions.kubelet_arguments_in_order(machine))
        yield from findings
        if not findings:  # else another setting takes precedence, and will not change
            _wait_for_capacity(cluster, machine, max_pods)


def _wait_for_capacity(cluster: Cluster, machine: Machine, max_pods: str) -> None:
    machine.container.wait_for(
        lambda: not list(assertions.node_capacity_is(cluster, machine, max_pods)),
        f"the node {machine.name} to report a capacity of {max_pods} pods",
        NODE_READY_TIMEOUT,
        diagnose=lambda: json.dumps(cluster.node(machine).get("status"))[-2000:],
    )


def upgrade_kubeadm(machine: Machine) -> Iterator[Finding]:
    """Upgrade kubeadm and its dependencies first; the kubelet is not restarted."""
    machine.context.use_repositories(CURRENT_DIR)
    yield from _upgrade_packages(machine, ["kubeadm", "kubernetes-cni", "cri-tools"])


def _upgrade_packages(machine: Machine, names: Sequence[str]) -> Iterator[Finding]:
    """Upgrade some packages to the versions under test; the kubelet is not restarted."""
    context = machine.context
    before = kubelet.unit_properties(context, "MainPID", "NRestarts")
    yield from context.change_versions(context.package_manager.install, context.packages.only(names).versions)
    if kubelet.unit_properties(context, "MainPID", "NRestarts") != before:
        yield Finding("the same kubelet process", "it was restarted", machine.name)


def kubeadm_upgrade(command: str) -> Callable[[Cluster], Iterator[Finding]]:
    """Return a step that runs `kubeadm upgrade apply` on the control plane, or `node` on the worker."""

    def run(cluster: Cluster) -> Iterator[Finding]:
        machine = cluster.control_plane if command == "apply" else cluster.worker
        machine.container.write_file(UPGRADE_CONFIG, yaml.safe_dump(documents.upgrade(f"v{cluster.release.release}")))
        argv = ("kubeadm", "upgrade", command, "--config", UPGRADE_CONFIG)
        yield from machine.context.run_successfully(*argv, timeout=UPGRADE_TIMEOUTS[command])

    return run


def control_plane_is_upgraded(cluster: Cluster) -> Iterator[Finding]:
    """The control plane runs, and its API server is the new one."""
    yield from assertions.control_plane_runs(cluster)
    output = cluster.kubectl("version", "--output=yaml").stdout
    version = (yaml.safe_load(output) or {}).get("serverVersion", {}).get("gitVersion")
    expected = f"v{cluster.release.release}"
    if version != expected:
        yield Finding(f"API server {expected}", str(version), "kubectl version")


def upgrade_kubelet(machine: Machine) -> Iterator[Finding]:
    """Upgrade kubelet and kubectl on one machine, then restart the kubelet."""
    context = machine.context
    yield from _upgrade_packages(machine, ["kubelet", "kubectl"])
    yield from context.assert_versions(context.packages.versions)
    yield from context.run_successfully("systemctl", "daemon-reload")
    yield from kubelet.restart(context)
    yield from assertions.kubelet_arguments_in_order(machine)


def settings_are_kept(cluster: Cluster) -> Iterator[Finding]:
    """Both nodes have the cluster's settings, and their own, as before."""
    for machine in cluster.machines:
        yield from assertions.config_has_cluster_settings(machine)
        yield from assertions.flags_file_has_node_settings(machine)
    yield from assertions.node_settings_take_precedence(cluster)


def kubeadm_reset(cluster: Cluster) -> Iterator[Finding]:
    """Run `kubeadm reset` on the worker, then on the control plane: its files are gone."""
    for machine in reversed(cluster.machines):
        yield from machine.context.run_successfully("kubeadm", "reset", "--force", timeout=RESET_TIMEOUT)
        for path in (CONFIG_FILE, KUBEADM_FLAGS_FILE, assertions.KUBELET_CONF, ADMIN_CONF):
            if machine.container.exists(path):
                yield Finding("no file after the reset", "a file", machine.context.locate(path))


def purge_packages(machine: Machine) -> Iterator[Finding]:
    """Purge the packages after the reset."""
    yield from manage("purge", then=programs_removed)(machine.context)
