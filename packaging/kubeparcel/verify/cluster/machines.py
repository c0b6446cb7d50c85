"""A cluster of two machines on their own network: a control plane and a worker."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from kubeparcel.hosts import systemd_node
from kubeparcel.hosts.catalog import Host
from kubeparcel.hosts.container import Container
from kubeparcel.hosts.engine import ResourceKind
from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.hosts.session import Session
from kubeparcel.images.node_image import ensure_node_image
from kubeparcel.model import Version
from kubeparcel.process import CompletedProcess
from kubeparcel.verify.scenario import HostContext, package_mounts

CONTROL_PLANE, WORKER = "control-plane", "worker"
T = TypeVar("T")
Pair: TypeAlias = tuple[T, T]
"""One of the control plane, and one of the worker."""

MEMORY = "2g"
STORE = "/store"
"""Where the machines see the store, which has the archives of images."""

ADMIN_CONF = "/etc/kubernetes/admin.conf"


@dataclass(frozen=True)
class Machine:
    """A node: its name in the cluster, its address, and its host."""

    name: str
    address: str
    context: HostContext

    @property
    def container(self) -> Container:
        """The container that the machine is."""
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
        """Both machines."""
        return (self.control_plane, self.worker)

    @property
    def contexts(self) -> tuple[HostContext, ...]:
        """The hosts of both machines."""
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

    def kubectl(self, *arguments: str, timeout: float = 60) -> CompletedProcess:
        """Run kubectl as the cluster's administrator, and record it as evidence."""
        argv = ("kubectl", f"--kubeconfig={ADMIN_CONF}", *arguments)
        return self.control_plane.context.run(*argv, timeout=timeout)

    def query(self, *arguments: str) -> str:
        """Return kubectl's output, or '' if it fails. Nothing is recorded: use it to poll."""
        argv = ("kubectl", f"--kubeconfig={ADMIN_CONF}", *arguments)
        result = self.control_plane.container.run(*argv, check=False)
        return "" if result.exit_code else result.stdout


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
        releases = (setup.release, setup.previous_release)
        cluster = Cluster(session, control_plane, worker, *releases)
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
