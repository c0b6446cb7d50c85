"""A node as an image: a host with systemd and containerd, and the packages installed inside.

The packages come in through the host's own package manager. The image travels: what depends on the
machine below is decided when a node starts. The same packages on the same host's image give the
same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kubeparcel import __version__
from kubeparcel.hosts import systemd_node as machine_node
from kubeparcel.hosts.base_images import PREFIX
from kubeparcel.hosts.catalog import Host, Purpose
from kubeparcel.hosts.container import Container
from kubeparcel.hosts.engine import Start
from kubeparcel.hosts.package_managers import MANAGERS, PackageManager
from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.hosts.session import Session
from kubeparcel.images import archive_writer, layers
from kubeparcel.images.archive_writer import Config
from kubeparcel.images.layers import Rules
from kubeparcel.model import Arch
from kubeparcel.templates import render

RECIPE = 2
"""Raised when the same packages are to give another image."""

PACKAGES = "/packages"
OWN = "/usr/lib/kubeparcel"
"""Where our own things are inside a node's image."""

LONG = 300.0
"""Seconds that installing the packages may take."""

RULES = Rules(
    gone=(
        *(".dockerenv", "packages", "etc/mtab", "etc/.pwd.lock", "root/.bash_history", "*.pyc"),
        *("etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-", "etc/subuid-", "etc/subgid-"),
        *("var/lib/dbus/machine-id", "var/lib/systemd/random-seed"),
        *("var/lib/systemd/credential.secret", "var/lib/kubeparcel/repository"),
        *("var/lib/kubeparcel/setup.sh", "var/lib/dpkg/status-old", "var/lib/dnf/history.*"),
        *("var/lib/rpm/.rpm.lock", "var/lib/rpm/rpmdb.sqlite-shm", "var/lib/rpm/rpmdb.sqlite-wal"),
    ),
    hollow=(
        *("dev", "proc", "sys", "run", "tmp", "var/tmp", "var/lib/apt/lists"),
        *("var/lib/containerd", "var/lib/kubeparcel/pool"),
    ),
    pruned=("var/cache", "var/log"),
    empty=("etc/machine-id", "etc/hostname", "etc/hosts", "etc/resolv.conf"),
)
"""What a machine makes for itself, and what installing leaves behind."""


@dataclass(frozen=True)
class NodeImage:
    """The image of a host with a set of packages inside."""

    host: Host
    packages: PackageSet
    below: str

    @classmethod
    def of(cls, here: Session, host: Host, packages: PackageSet) -> NodeImage:
        """The image of these, on the host's own, which is made now if need be."""
        return cls(host, packages, here.image(host, Purpose.NODE))

    @property
    def manager(self) -> PackageManager:
        """The host's package manager."""
        return MANAGERS[self.host.family.manager]

    @property
    def digest(self) -> str:
        """Equal digests, equal images."""
        inputs = [
            RECIPE,
            self.below,
            sorted(self.packages.digests),
            self.files(""),
            _setup(),
            repr(RULES),
        ]
        return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:12]

    @property
    def version(self) -> str:
        """The kubelet's, or the newest of any."""
        versions = {one.name: one.version for one in self.packages.contents}
        return versions.get("kubelet", max(versions.values())).replace("~", "-")

    @property
    def name(self) -> str:
        """The image's name in the engine."""
        return f"{PREFIX}{self.host.name}-kubernetes:{self.version}-{self.digest}"

    @property
    def released(self) -> int:
        """The release's own date: nothing in the image is younger."""
        return max(one.built for one in self.packages.contents)

    def files(self, pause: str) -> Mapping[str, str]:
        """What we add: fitting to the machine below, and where crictl finds the runtime."""
        runtime = {
            f"{OWN}/containerd-cgroup-v{number}.toml": render(
                "hosts/containerd.toml", {"pause": pause, "systemd": str(number == 2)}
            )
            for number in (1, 2)
        }
        socket = "unix:///run/containerd/containerd.sock"
        return {
            **runtime,
            f"{OWN}/cgroup-v1.sh": render("hosts/cgroup-v1.sh", {}),
            f"{OWN}/kernel-settings.sh": render("hosts/kernel-settings.sh", {}),
            f"{OWN}/runtime.sh": render("hosts/node-image-runtime.sh", {"home": OWN}),
            "/etc/systemd/system/kubeparcel-node.service": render(
                "hosts/node-image.service", {"home": OWN}
            ),
            "/etc/crictl.yaml": f"runtime-endpoint: {socket}\nimage-endpoint: {socket}\n",
        }


def node_image(here: Session, host: Host, packages: PackageSet) -> str:
    """The engine's name of a host's image with these packages, made now unless it is there.

    Raises ToolError with the package manager's words when they do not install.
    """
    wanted = NodeImage.of(here, host, packages)
    here.shelf.use(wanted.name)
    if here.engine.has_image(wanted.name):
        return wanted.name
    with here.store.lock(f"node-{here.engine.name}-{host.name}-{wanted.digest}"):
        if not here.engine.has_image(wanted.name):
            with here.store.scratch() as scratch:
                write(here, wanted, scratch, scratch / "node.tar")
                here.engine.load_image(scratch / "node.tar")
    return wanted.name


def write(here: Session, wanted: NodeImage, scratch: Path, target: Path) -> None:
    """Write the image's archive; `scratch` is a folder with room for the node's files, twice."""
    exported = scratch / "root.tar"
    with here.log.task("Image", wanted.name.removeprefix(PREFIX), None):
        start = Start(
            image=wanted.below,
            name="image",
            mounts={wanted.packages.folder: PACKAGES},
            capabilities=("SYS_ADMIN",),
        )
        with here.container(wanted.host, start) as box:
            install(box, wanted)
            here.engine.export(box.name, exported)
        layer = layers.normalise(exported, scratch / "layer.tar", RULES, wanted.released)
        exported.unlink()
        archive_writer.write([archive_writer.image(wanted.name, _config(wanted), layer)], target)


def install(box: Container, wanted: NodeImage) -> None:
    """Install the packages, and make a node of the host."""
    box.script(render(wanted.manager.repository_script, {}), PACKAGES, timeout=120)
    words = PackageManager.argv(wanted.manager.install, wanted.packages.names)
    box.run(*words, env={"SOURCE_DATE_EPOCH": str(wanted.released)}, timeout=LONG)
    for path, text in wanted.files(_pause(box)).items():
        box.write(path, text)
    box.script(_setup())


def _setup() -> str:
    return render("hosts/node-image.sh", {})


def _pause(box: Container) -> str:
    """The image of pods' first process that this kubeadm wants; empty when it does not say."""
    asked = "kubeadm config images list --kubernetes-version $(kubeadm version -o short)"
    said = box.script(asked, check=False).stdout.split()
    return next((image for image in said if "/pause:" in image), "")


def _config(wanted: NodeImage) -> Config:
    labels = {f"kubeparcel.{name}": version for name, version in wanted.packages.versions.items()}
    return Config(
        arch=Arch.native(),
        created=wanted.released,
        env={
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C.UTF-8",
            "container": "oci",
        },
        command=machine_node.INIT,
        labels={**labels, "kubeparcel.host": wanted.host.name, "kubeparcel": __version__},
        stop_signal="SIGRTMIN+3",
    )
