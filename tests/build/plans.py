"""Plans of packages for tests, and parts of them in readable text."""

from __future__ import annotations

import dataclasses

from kubeparcel.build.package_plan import FilePlan, OwnedDirectory, PackagePlan, TextContent
from kubeparcel.build.planner import plan_packages
from kubeparcel.config import catalog
from kubeparcel.config.patch_settings import stamped_version
from kubeparcel.config.settings import load_settings
from kubeparcel.lock_models import BuildVariant, Lock
from tests.support.fake_sources import locked

PACKAGES = ("kubeadm", "kubelet", "kubectl", "kubernetes-cni", "cri-tools")


def plan(kubernetes: str = "1.36.3", **flags: str) -> dict[tuple[str, str], PackagePlan]:
    """Return the plans for amd64 by package and format, with the settings of the folder."""
    packages = plan_packages(load_settings(flags), locked(kubernetes), catalog.load())
    return {(package.name, str(package.format)): package for package in packages}


def compiled_lock(variant: BuildVariant) -> Lock:
    """Return a lock of binaries that are compiled in a variant, and whose versions name it."""
    lock = locked(source="go", variant=variant)
    components = tuple(
        dataclasses.replace(c, version=stamped_version(variant, c.name, c.version)) for c in lock.components
    )
    return dataclasses.replace(lock, source="go", components=components)


def describe_file(file: FilePlan) -> str:
    """Return a line such as `-0644 config /etc/default/kubelet`; folders start with `d`."""
    kind = "d" if isinstance(file.content, OwnedDirectory) else "-"
    marks = [*(["config"] if file.config else []), *([file.role] if file.role else [])]
    return " ".join([f"{kind}{file.mode:04o}", *marks, file.path])


def paths(package: PackagePlan) -> list[str]:
    return [file.path for file in package.files]


def file_at(package: PackagePlan, path: str) -> FilePlan:
    (file,) = [file for file in package.files if file.path == path]
    return file


def text_at(package: PackagePlan, path: str) -> str:
    content = file_at(package, path).content
    assert isinstance(content, TextContent)
    return content.text
