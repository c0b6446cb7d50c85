"""Node images: a host with systemd and containerd, and the packages installed.

The host's own package manager installs the packages. The image runs on any machine: what depends on the machine is
decided when the node starts. The same packages on the same base image result in the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubeparcel import __version__
from kubeparcel.hosts import systemd_node
from kubeparcel.hosts.base_images import ensure_image
from kubeparcel.hosts.catalog import Host, Purpose
from kubeparcel.hosts.container import Container
from kubeparcel.hosts.engine import ContainerSpec
from kubeparcel.hosts.image_cache import IMAGE_PREFIX
from kubeparcel.hosts.package_managers import MANAGERS, PackageManager
from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.hosts.session import Session
from kubeparcel.images.archive import PATH, single_layer_image, write_archive
from kubeparcel.images.layers import RootFilesystemRules, root_filesystem_layer
from kubeparcel.model import Arch
from kubeparcel.templates import render

RECIPE = 2
"""Increase it when the same packages must result in another image."""

PACKAGES_FOLDER = "/packages"
NODE_FOLDER = "/usr/lib/kubeparcel"
"""kubeparcel's folder inside a node image."""

SETUP_SCRIPT = "hosts/node-image.sh"

INSTALL_TIMEOUT = 300.0
"""Seconds for installing the packages."""

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
"""What a machine creates for itself, and what the installation leaves behind."""


@dataclass(frozen=True)
class NodeImage:
    """The image of a host with a set of packages, built on `base_image`.

    With `hold`, upgrades in the image keep the packages at their versions.
    """

    host: Host
    packages: PackageSet
    base_image: str
    hold: bool = False

    @classmethod
    def for_host(cls, session: Session, host: Host, packages: PackageSet, *, hold: bool = False) -> NodeImage:
        """Return the node image on the host's base image, which is built if necessary."""
        return cls(host, packages, ensure_image(session, host, Purpose.NODE), hold)

    @property
    def manager(self) -> PackageManager:
        return MANAGERS[self.host.family.package_manager]

    @property
    def digest(self) -> str:
        inputs = [
            RECIPE,
            self.base_image,
            sorted(self.packages.digests),
            self.added_files(""),
            render(SETUP_SCRIPT, {}),
            render(self.manager.hold_script, {}) if self.hold else "",
            repr(RULES),
        ]
        return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:12]

    @property
    def version(self) -> str:
        """The kubelet's version as a part of tags, which have no plus; without a kubelet, the newest of a package."""
        versions = {contents.name: contents.version for contents in self.packages.contents}
        return versions.get("kubelet", max(versions.values())).replace("~", "-").replace("+", "_")

    @property
    def name(self) -> str:
        return f"{IMAGE_PREFIX}{self.host.name}-kubernetes:{self.version}-{self.digest}"

    @property
    def released(self) -> int:
        """The newest build time of the packages, in seconds since 1970."""
        return max(contents.build_time for contents in self.packages.contents)

    def added_files(self, pause_image: str) -> Mapping[str, str]:
        """Return the added files by path: they adapt the node to its machine, and set up crictl."""
        home = {"home": NODE_FOLDER}
        common = {"pause": pause_image, "cni_bin_dir": self.packages.cni_bin_dir}
        cgroup_v1 = {**common, "systemd": "False"}
        cgroup_v2 = {**common, "systemd": "True"}
        socket = "unix:///run/containerd/containerd.sock"
        return {
            f"{NODE_FOLDER}/containerd-cgroup-v1.toml": render("hosts/containerd.toml", cgroup_v1),
            f"{NODE_FOLDER}/containerd-cgroup-v2.toml": render("hosts/containerd.toml", cgroup_v2),
            f"{NODE_FOLDER}/cgroup-v1.sh": render("hosts/cgroup-v1.sh", {}),
            f"{NODE_FOLDER}/kernel-settings.sh": render("hosts/kernel-settings.sh", {}),
            f"{NODE_FOLDER}/runtime.sh": render("hosts/node-image-runtime.sh", home),
            "/etc/systemd/system/kubeparcel-node.service": render("hosts/node-image.service", home),
            "/etc/crictl.yaml": f"runtime-endpoint: {socket}\nimage-endpoint: {socket}\n",
        }


def ensure_node_image(session: Session, host: Host, packages: PackageSet) -> str:
    """Return the name of a host's image with these packages; build it unless the engine has it.

    Raises ToolError with the package manager's output if the installation fails.
    """
    image = NodeImage.for_host(session, host, packages)

    def build() -> None:
        with session.store.scratch() as scratch:
            write_node_archive(session, image, scratch, scratch / "node.tar")
            session.engine.load_image(scratch / "node.tar")

    session.image_cache.ensure(image.name, build)
    return image.name


def write_node_archive(session: Session, image: NodeImage, scratch: Path, target: Path) -> None:
    """Write the image's archive; `scratch` needs space for twice the node's files."""
    exported = scratch / "root.tar"
    with session.log.task("Image", image.name.removeprefix(IMAGE_PREFIX), None):
        spec = ContainerSpec(
            image=image.base_image,
            name="image",
            mounts={image.packages.folder: PACKAGES_FOLDER},
            capabilities=("SYS_ADMIN",),
        )
        with session.start_container(image.host, spec) as container:
            install_packages(container, image)
            session.engine.export_files(container.name, exported)
        layer = root_filesystem_layer(exported, scratch / "layer.tar", RULES, image.released)
        exported.unlink()
        oci_image = single_layer_image(image.name, layer, Arch.native(), image.released, _config(image))
        write_archive([oci_image], target)


def install_packages(container: Container, image: NodeImage) -> None:
    """Install the packages and turn the host into a node."""
    manager = image.manager
    container.run_script(render(manager.repository_script, {}), PACKAGES_FOLDER, timeout=120)
    argv = PackageManager.argv(manager.install, image.packages.names)
    container.run(*argv, env={"SOURCE_DATE_EPOCH": str(image.released)}, timeout=INSTALL_TIMEOUT)
    for path, text in image.added_files(_pause_image(container)).items():
        container.write_file(path, text)
    if image.hold:
        container.run_script(render(manager.hold_script, {}), *image.packages.names)
    container.run_script(render(SETUP_SCRIPT, {}))


def _pause_image(container: Container) -> str:
    """Return the pause image that the installed kubeadm expects; empty if it lists none."""
    script = "kubeadm config images list --kubernetes-version $(kubeadm version -o short)"
    names = container.run_script(script, check=False).stdout.split()
    return next((name for name in names if "/pause:" in name), "")


def _config(image: NodeImage) -> Mapping[str, Any]:
    labels = {f"kubeparcel.{name}": version for name, version in image.packages.versions.items()}
    return {
        "Env": ["LC_ALL=C.UTF-8", f"PATH={PATH}", "container=oci"],
        "Cmd": systemd_node.INIT,
        "Labels": {**labels, "kubeparcel.host": image.host.name, "kubeparcel": __version__},
        "StopSignal": "SIGRTMIN+3",
    }
