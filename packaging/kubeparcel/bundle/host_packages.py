"""What a host lacks: its own package manager resolves and downloads it, in a container."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kubeparcel.errors import ToolError
from kubeparcel.hosts.base_images import HOME, PACKAGES_TIMEOUT, ensure_image
from kubeparcel.hosts.catalog import Host, Purpose
from kubeparcel.hosts.container import Container
from kubeparcel.hosts.engine import ContainerSpec
from kubeparcel.hosts.package_managers import DOWNLOADS, MANAGERS
from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.hosts.session import Session
from kubeparcel.model import Format
from kubeparcel.templates import render

MOUNT = "/packages/bundle"
RUNTIME = "containerd"

OS_SCRIPT = """\
. /etc/os-release
echo "${PLATFORM_ID:-$ID ${VERSION_ID:-} ${VERSION_CODENAME:-}}"
"""
"""Prints what install.sh recognizes a distribution by: rebuilds of Enterprise Linux share their PLATFORM_ID."""

_UNPACK = {Format.DEB: 'dpkg-deb --extract "$1" /', Format.RPM: 'rpm --install --nodeps --noscripts "$1"'}
_LIST_IMAGES = 'kubeadm config images list --kubernetes-version "$(kubeadm version -o short)"'
_IMAGE = re.compile(r"[a-z0-9][a-z0-9.-]*(?::\d+)?(?:/[a-z0-9._-]+)+:[\w.-]+")


@dataclass(frozen=True)
class HostPackages:
    """What a host needs from its distribution: package files. `os` is the output of OS_SCRIPT there.

    `extras` are what install.sh installs besides the packages, `images` are those that kubeadm names.
    """

    host: Host
    os: str
    extras: tuple[str, ...]
    files: tuple[Path, ...]
    images: tuple[str, ...] = ()


def default_runtime(host: Host) -> tuple[str, ...]:
    """Return the container runtime, if the host's package manager has it."""
    has_runtime = RUNTIME in host.packages(Purpose.NODE) and not host.family.rpm_placeholders
    return (RUNTIME,) if has_runtime else ()


def download_host_packages(
    session: Session, host: Host, packages: PackageSet, requested: Sequence[str], folder: Path, *, list_images: bool
) -> HostPackages:
    """Download into `folder` what a node with the packages and the requested ones lacks on a minimal installation.

    Raises ToolError with the package manager's output if something cannot be resolved or downloaded.
    """
    extras = tuple(dict.fromkeys((*host.family.preflight_packages, *requested)))
    image = ensure_image(session, host)
    spec = ContainerSpec(image, "bundle", network="host", mounts={packages.folder: MOUNT})
    with session.log.task("Resolve", f"what {host.name} needs", None), session.start_container(host, spec) as container:
        try:
            _download(container, [*packages.names, *extras])
        except ToolError as error:
            raise ToolError(
                f"{host.name}: the packages that it needs cannot be downloaded: {error.message}",
                f"{error.hint}\nCheck the names in --with, and that the distribution's repositories can be reached.",
            ) from None
        container.copy_out(DOWNLOADS, folder)
        os_name = " ".join(container.run_script(OS_SCRIPT).stdout.split())
        images = _list_images(container, packages) if list_images else ()
    suffix = f".{host.format}"
    found = (f for f in folder.rglob(f"*{suffix}") if f.is_file() and not f.is_symlink())
    files = sorted((file for file in found if file.name not in packages.files), key=lambda file: file.name)
    return HostPackages(host, os_name, extras, tuple(files), images)


def _download(container: Container, names: Sequence[str]) -> None:
    """Download packages from the distribution as it is today, not from what the image keeps for offline checks."""
    manager = MANAGERS[container.host.family.package_manager]
    container.run_script('rm -f "$1"/pool/*.deb; mkdir -p "$2"', HOME, DOWNLOADS)
    container.run_script(render(manager.repository_script, {}), MOUNT, timeout=120)
    container.run_script(render("hosts/distribution-sources.sh", {}), HOME)
    container.run(*manager.argv(manager.refresh), timeout=PACKAGES_TIMEOUT)
    container.run(*manager.argv(manager.download, names), timeout=PACKAGES_TIMEOUT)


def _list_images(container: Container, packages: PackageSet) -> tuple[str, ...]:
    """Return the images that kubeadm names; none without a kubeadm, or one that cannot run here."""
    files = dict(zip(packages.names, packages.files, strict=True))
    if "kubeadm" not in files:
        return ()
    container.run_script(_UNPACK[packages.format], f"{MOUNT}/{files['kubeadm']}")
    lines = container.run_script(_LIST_IMAGES, check=False).stdout.splitlines()
    return tuple(line for line in lines if _IMAGE.fullmatch(line))
