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
from kubeparcel.hosts.base_images import IMAGE_PREFIX
from kubeparcel.hosts.catalog import Host, Purpose
from kubeparcel.hosts.container import Container
from kubeparcel.hosts.engine import ContainerSpec
from kubeparcel.hosts.package_managers import MANAGERS, PackageManager
from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.hosts.session import Session
from kubeparcel.images import archive_writer, layers
from kubeparcel.images.archive_writer import ImageConfig
from kubeparcel.images.layers import RootFilesystemRules
from kubeparcel.model import Arch
from kubeparcel.templates import render

RECIPE = 2
"""Raised when the same packages are to give another image."""

PACKAGES_FOLDER = "/packages"
NODE_FOLDER = "/usr/lib/kubeparcel"
"""Where our own things are inside a node's image."""

INSTALL_TIMEOUT = 300.0
"""Seconds that installing the packages may take."""

RULES = RootFilesystemRules(
    exclude=(
        *(".dockerenv", "packages", "etc/mtab", "etc/.pwd.lock", "root/.bash_history", "*.pyc"),
        *("etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-", "etc/subuid-", "etc/subgid-"),
        *("var/lib/dbus/machine-id", "var/lib/systemd/random-seed"),
        *("var/lib/systemd/credential.secret", "var/lib/kubeparcel/repository"),
        *("var/lib/kubeparcel/setup.sh", "var/lib/dpkg/status-old", "var/lib/dnf/history.*"),
        *("var/lib/rpm/.rpm.lock", "var/lib/rpm/rpmdb.sqlite-shm", "var/lib/rpm/rpmdb.sqlite-wal"),
    ),
    keep_dir_only=(
        *("dev", "proc", "sys", "run", "tmp", "var/tmp", "var/lib/apt/lists"),
        *("var/lib/containerd", "var/lib/kubeparcel/pool"),
    ),
    drop_files=("var/cache", "var/log"),
    truncate=("etc/machine-id", "etc/hostname", "etc/hosts", "etc/resolv.conf"),
)
"""What a machine makes for itself, and what installing leaves behind."""


@dataclass(frozen=True)
class NodeImage:
    """The image of a host with a set of packages inside."""

    host: Host
    packages: PackageSet
    base_image: str

    @classmethod
    def for_host(cls, session: Session, host: Host, packages: PackageSet) -> NodeImage:
        """The image of these, on the host's own, which is made now if need be."""
        return cls(host, packages, session.ensure_image(host, Purpose.NODE))

    @property
    def package_manager(self) -> PackageManager:
        """The host's package manager."""
        return MANAGERS[self.host.family.package_manager]

    @property
    def digest(self) -> str:
        """Equal digests, equal images."""
        inputs = [
            RECIPE,
            self.base_image,
            sorted(self.packages.digests),
            self.added_files(""),
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
        return f"{IMAGE_PREFIX}{self.host.name}-kubernetes:{self.version}-{self.digest}"

    @property
    def released(self) -> int:
        """The release's own date: nothing in the image is younger."""
        return max(one.built for one in self.packages.contents)

    def added_files(self, pause: str) -> Mapping[str, str]:
        """What we add: fitting to the machine below, and where crictl finds the runtime."""
        runtime = {
            f"{NODE_FOLDER}/containerd-cgroup-v{number}.toml": render(
                "hosts/containerd.toml", {"pause": pause, "systemd": str(number == 2)}
            )
            for number in (1, 2)
        }
        socket = "unix:///run/containerd/containerd.sock"
        return {
            **runtime,
            f"{NODE_FOLDER}/cgroup-v1.sh": render("hosts/cgroup-v1.sh", {}),
            f"{NODE_FOLDER}/kernel-settings.sh": render("hosts/kernel-settings.sh", {}),
            f"{NODE_FOLDER}/runtime.sh": render(
                "hosts/node-image-runtime.sh", {"home": NODE_FOLDER}
            ),
            "/etc/systemd/system/kubeparcel-node.service": render(
                "hosts/node-image.service", {"home": NODE_FOLDER}
            ),
            "/etc/crictl.yaml": f"runtime-endpoint: {socket}\nimage-endpoint: {socket}\n",
        }


def ensure_node_image(session: Session, host: Host, packages: PackageSet) -> str:
    """The engine's name of a host's image with these packages, made now unless it is there.

    Raises ToolError with the package manager's words when they do not install.
    """
    wanted = NodeImage.for_host(session, host, packages)
    session.image_cache.mark_used(wanted.name)
    if session.engine.has_image(wanted.name):
        return wanted.name
    with session.store.lock(f"node-{session.engine.name}-{host.name}-{wanted.digest}"):
        if not session.engine.has_image(wanted.name):
            with session.store.scratch() as scratch:
                write_node_archive(session, wanted, scratch, scratch / "node.tar")
                session.engine.load_image(scratch / "node.tar")
    return wanted.name


def write_node_archive(session: Session, wanted: NodeImage, scratch: Path, target: Path) -> None:
    """Write the image's archive; `scratch` is a folder with room for the node's files, twice."""
    exported = scratch / "root.tar"
    with session.log.task("Image", wanted.name.removeprefix(IMAGE_PREFIX), None):
        start = ContainerSpec(
            image=wanted.base_image,
            name="image",
            mounts={wanted.packages.folder: PACKAGES_FOLDER},
            capabilities=("SYS_ADMIN",),
        )
        with session.start_container(wanted.host, start) as box:
            install_packages(box, wanted)
            session.engine.export_files(box.name, exported)
        layer = layers.root_filesystem_layer(
            exported, scratch / "layer.tar", RULES, wanted.released
        )
        exported.unlink()
        archive_writer.write_archive(
            [archive_writer.single_layer_image(wanted.name, _config(wanted), layer)], target
        )


def install_packages(box: Container, wanted: NodeImage) -> None:
    """Install the packages, and make a node of the host."""
    box.run_script(
        render(wanted.package_manager.repository_script, {}), PACKAGES_FOLDER, timeout=120
    )
    words = PackageManager.argv(wanted.package_manager.install, wanted.packages.names)
    box.run(*words, env={"SOURCE_DATE_EPOCH": str(wanted.released)}, timeout=INSTALL_TIMEOUT)
    for path, text in wanted.added_files(_pause(box)).items():
        box.write_file(path, text)
    box.run_script(_setup())


def _setup() -> str:
    return render("hosts/node-image.sh", {})


def _pause(box: Container) -> str:
    """The image of pods' first process that this kubeadm wants; empty when it does not say."""
    asked = "kubeadm config images list --kubernetes-version $(kubeadm version -o short)"
    said = box.run_script(asked, check=False).stdout.split()
    return next((image for image in said if "/pause:" in image), "")


def _config(wanted: NodeImage) -> ImageConfig:
    labels = {f"kubeparcel.{name}": version for name, version in wanted.packages.versions.items()}
    return ImageConfig(
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
