"""Two machines on a network of their own, a control plane and a worker, packages inside."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

from kubeparcel.hosts import systemd_node
from kubeparcel.hosts.catalog import Host
from kubeparcel.hosts.container import Container
from kubeparcel.hosts.engine import ResourceKind
from kubeparcel.hosts.package_managers import MANAGERS
from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.hosts.session import Session
from kubeparcel.images.node_image import ensure_node_image
from kubeparcel.model import Version
from kubeparcel.process import CompletedProcess
from kubeparcel.verify.scenario import CURRENT_DIR, PREVIOUS_DIR, HostContext

CONTROL_PLANE, WORKER = "plane", "worker"
T = TypeVar("T")
Pair: TypeAlias = tuple[T, T]
"""Of the control plane, and of the worker."""

MEMORY = "2g"
STORE = "/store"
"""Where the machines see the store, which has the archives of images."""

ADMIN = "/etc/kubernetes/admin.conf"


@dataclass(frozen=True)
class Machine:
    """A node: its name in the cluster, its address, and what can be asked of it."""

    name: str
    address: str
    context: HostContext

    @property
    def container(self) -> Container:
        """The container it is."""
        return self.context.container


@dataclass(frozen=True)
class Cluster:
    """What the level is proved on. `release` is the Kubernetes of the packages under proof.

    `before` is that of the earlier packages, where an upgrade begins with them.
    """

    session: Session
    control_plane: Machine
    worker: Machine
    release: Version
    previous_release: Version | None

    @property
    def machines(self) -> tuple[Machine, ...]:
        """Both of them."""
        return (self.control_plane, self.worker)

    def machine(self, name: str) -> Machine:
        """Return the machine with this node name."""
        return next(machine for machine in self.machines if machine.name == name)

    @property
    def initial_release(self) -> Version:
        """The Kubernetes that the cluster is first made of."""
        return self.previous_release or self.release

    def images(self, version: Version) -> list[str]:
        """The images that the control plane's kubeadm wants for a Kubernetes."""
        argv = ("kubeadm", "config", "images", "list", f"--kubernetes-version=v{version}")
        return self.control_plane.container.run(*argv).stdout.split()

    @functools.cached_property
    def pause(self) -> str:
        """The image of a pod that only waits."""
        return next(name for name in self.images(self.initial_release) if "/pause:" in name)

    def kubectl(self, *words: str, timeout: float = 60) -> CompletedProcess:
        """Ask the cluster as its administrator, and keep that as evidence."""
        return self.control_plane.context.run(
            "kubectl", f"--kubeconfig={ADMIN}", *words, timeout=timeout
        )

    def query(self, *words: str) -> str:
        """The same without evidence, for questions that are asked again and again."""
        done = self.control_plane.container.run(
            "kubectl", f"--kubeconfig={ADMIN}", *words, check=False
        )
        return done.stdout if not done.exit_code else ""


@dataclass(frozen=True)
class Site:
    """Which hosts, the packages for each, and the earlier ones of an upgrade."""

    hosts: Pair[Host]
    sets: Pair[PackageSet]
    earlier: Pair[PackageSet] | None
    release: Version
    before: Version | None = None


@contextmanager
def started(here: Session, site: Site) -> Iterator[Cluster]:
    """Both machines until the block ends, with the control plane's images imported."""
    with ExitStack() as stack:
        network = stack.enter_context(_network(here))
        machines = [
            stack.enter_context(_machine(here, site, index, name, network))
            for index, name in enumerate((CONTROL_PLANE, WORKER))
        ]
        cluster = Cluster(here, machines[0], machines[1], site.release, site.before)
        for machine in machines:
            _prepare(machine, {other.address: other.name for other in machines})
        yield cluster


@contextmanager
def _network(here: Session) -> Iterator[str]:
    name = f"kubeparcel-{here.run_id}-{len(here.kept_containers)}-cluster"
    here.engine.create_network(name, here.labels, internal=True)
    try:
        yield name
    finally:
        if not here.kept_containers:  # a container that is kept keeps its network
            here.engine.remove(ResourceKind.NETWORK, [name])


@contextmanager
def _machine(here: Session, site: Site, index: int, name: str, network: str) -> Iterator[Machine]:
    host, packages = site.hosts[index], site.sets[index]
    before = site.earlier[index] if site.earlier else None
    image = ensure_node_image(here, host, before or packages)
    mounts: dict[Path, str] = {packages.folder: CURRENT_DIR, here.store.root: STORE}
    if before:
        mounts[before.folder] = PREVIOUS_DIR
    with systemd_node.start_node(
        *(here, host, name),
        image=image,
        network=network,
        mounts=mounts,
        memory=MEMORY,
    ) as box:
        trial = HostContext(box, MANAGERS[host.family.package_manager], packages, before)
        yield Machine(name, _address(box), trial)


def _address(box: Container) -> str:
    rows = json.loads(box.run("ip", "-json", "-4", "address", "show", "scope", "global").stdout)
    return str(next(one["local"] for row in rows for one in row["addr_info"]))


def _prepare(machine: Machine, others: Mapping[str, str]) -> None:
    """What an administrator does before kubeadm: names, forwarding."""
    names = "".join(f"{address} {name}\n" for address, name in others.items())
    machine.container.run_script('printf "%s" "$1" >>/etc/hosts', names)
    machine.container.run("sysctl", "--write", "net.ipv4.ip_forward=1")
