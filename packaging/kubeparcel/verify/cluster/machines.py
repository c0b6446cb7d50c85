"""A cluster of two machines on their own network, a control plane and a worker, and what its API reports."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from kubeparcel.hosts import systemd_node
from kubeparcel.hosts.catalog import Host
from kubeparcel.hosts.container import Container
from kubeparcel.hosts.engine import ResourceKind
from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.hosts.session import Session
from kubeparcel.images.node_image import ensure_node_image
from kubeparcel.model import Version
from kubeparcel.process import CompletedProcess
from kubeparcel.verify.cluster.documents import POD_SUBNET
from kubeparcel.verify.scenario import HostContext, package_mounts

CONTROL_PLANE, WORKER = "control-plane", "worker"
T = TypeVar("T")
Pair: TypeAlias = tuple[T, T]
"""One of the control plane, and one of the worker."""

MEMORY = "2g"
STORE = "/store"
"""Where the machines see the store, which has the archives of images."""

ADMIN_CONF = "/etc/kubernetes/admin.conf"

ASSIGN_TIMEOUT = 60.0
"""Seconds for the controller manager to assign a node its part of the pod network."""


@dataclass(frozen=True)
class Machine:
    """A node: its name in the cluster, its address, and its host."""

    name: str
    address: str
    context: HostContext

    @property
    def container(self) -> Container:
        return self.context.container


@dataclass(frozen=True)
class Cluster:
    """The machines of a cluster. `release` is the Kubernetes of the packages under test.

    `previous_release` is that of the packages that an upgrade starts with.
    """

    session: Session
    control_plane: Machine
    worker: Machine
    release: Version
    previous_release: Version | None

    @property
    def machines(self) -> tuple[Machine, ...]:
        return (self.control_plane, self.worker)

    @property
    def contexts(self) -> tuple[HostContext, ...]:
        return tuple(machine.context for machine in self.machines)

    @property
    def initial_release(self) -> Version:
        """The Kubernetes that the cluster is created with."""
        return self.previous_release or self.release

    def images(self, version: Version) -> list[str]:
        """Return the images that the control plane's kubeadm needs for a Kubernetes."""
        argv = ("kubeadm", "config", "images", "list", f"--kubernetes-version=v{version.release}")
        return self.control_plane.container.run(*argv).stdout.split()

    @functools.cached_property
    def pause_image(self) -> str:
        """The image of a pod that only waits."""
        return next(name for name in self.images(self.initial_release) if "/pause:" in name)

    def kubectl(self, *arguments: str) -> CompletedProcess:
        """Run kubectl as the cluster's administrator, and record it as evidence."""
        return self.control_plane.context.run("kubectl", f"--kubeconfig={ADMIN_CONF}", *arguments, timeout=60)

    def query(self, *arguments: str) -> str:
        """Return kubectl's output, or '' if it fails. Nothing is recorded: use it to poll."""
        argv = ("kubectl", f"--kubeconfig={ADMIN_CONF}", *arguments)
        result = self.control_plane.container.run(*argv, check=False)
        return "" if result.exit_code else result.stdout

    def node(self, machine: Machine) -> dict[str, Any]:
        """Return a node's object, and record its capacity and versions as evidence."""
        node: dict[str, Any] = json.loads(self.query("get", "node", machine.name, "--output=json") or "{}")
        status = {key: node.get("status", {}).get(key) for key in ("capacity", "nodeInfo")}
        machine.context.evidence[f"kubectl get node {machine.name}"] = json.dumps({"status": status}, indent=1)
        return node

    def wait_for_pod_subnet(self, machine: Machine) -> str:
        """Return a node's part of the pod network, which it is assigned soon after the join."""
        return machine.container.wait_for(
            lambda: str(self.node(machine).get("spec", {}).get("podCIDR", "")),
            f"the node {machine.name} to be assigned a part of {POD_SUBNET}",
            ASSIGN_TIMEOUT,
        )

    def is_ready(self, machine: Machine, version: str = "") -> bool:
        """Return whether a node is Ready, and at a version if one is given."""
        template = "--output=jsonpath={.status.conditions[?(@.type=='Ready')].status} {.status.nodeInfo.kubeletVersion}"
        fields = self.query("get", "node", machine.name, template).split()
        return fields[:1] == ["True"] and (not version or fields[1:] == [f"v{version}"])

    def running_pods(self) -> Mapping[str, str]:
        """Return the addresses of the running test pods, by node."""
        output = self.query("get", "pods", "--selector=app=probe", "--output=json")
        pods: list[dict[str, Any]] = json.loads(output or "{}").get("items", [])
        return {
            pod["spec"]["nodeName"]: pod["status"]["podIP"]
            for pod in pods
            if pod["status"].get("phase") == "Running" and pod["status"].get("podIP")
        }

    def running_containers(self) -> set[str]:
        """Return the names of the containers that run on the control plane."""
        result = self.control_plane.context.run("crictl", "ps", "--output=json")
        containers = json.loads(result.stdout or "{}").get("containers", [])
        return {container["metadata"]["name"] for container in containers if container["state"] == "CONTAINER_RUNNING"}


@dataclass(frozen=True)
class ClusterSetup:
    """The hosts of a cluster, their packages, and the previous ones that an upgrade starts with."""

    hosts: Pair[Host]
    packages: Pair[PackageSet]
    previous: Pair[PackageSet] | None
    release: Version
    previous_release: Version | None = None


@contextmanager
def start_cluster(session: Session, setup: ClusterSetup) -> Iterator[Cluster]:
    """Start both machines, with their packages installed, until the block ends."""
    with ExitStack() as stack:
        network = stack.enter_context(_network(session))
        control_plane, worker = (
            stack.enter_context(_machine(session, setup, index, name, network))
            for index, name in enumerate((CONTROL_PLANE, WORKER))
        )
        cluster = Cluster(session, control_plane, worker, setup.release, setup.previous_release)
        names = {machine.address: machine.name for machine in cluster.machines}
        for machine in cluster.machines:
            _prepare(machine, names)
        yield cluster


@contextmanager
def _network(session: Session) -> Iterator[str]:
    name = f"kubeparcel-{session.run_id}-{len(session.kept_containers)}-cluster"
    session.engine.create_network(name, session.labels)
    try:
        yield name
    finally:
        if not session.kept_containers:  # a container that is kept keeps its network
            session.engine.remove(ResourceKind.NETWORK, name)


@contextmanager
def _machine(session: Session, setup: ClusterSetup, index: int, name: str, network: str) -> Iterator[Machine]:
    host, packages = setup.hosts[index], setup.packages[index]
    previous = setup.previous[index] if setup.previous else None
    with systemd_node.start_node(
        *(session, host, name),
        image=ensure_node_image(session, host, previous or packages),
        network=network,
        mounts={**package_mounts(packages, previous), session.store.root: STORE},
        memory=MEMORY,
    ) as container:
        context = HostContext(container, packages, previous, label=f"{name} ({host.name})")
        yield Machine(name, _address(container), context)


def _address(container: Container) -> str:
    argv = ("ip", "-json", "-4", "address", "show", "scope", "global")
    interfaces = json.loads(container.run(*argv).stdout)
    return str(next(info["local"] for entry in interfaces for info in entry["addr_info"]))


def _prepare(machine: Machine, names: Mapping[str, str]) -> None:
    """Do what an administrator does before kubeadm: name the machines, enable forwarding."""
    lines = "".join(f"{address} {name}\n" for address, name in names.items())
    machine.container.run_script('printf "%s" "$1" >>/etc/hosts', lines)
    machine.container.run("sysctl", "--write", "net.ipv4.ip_forward=1")
