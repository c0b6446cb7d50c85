"""The components of a lock: their definitions, their origins, and how their files were verified."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from kubeparcel.config import catalog as catalogs
from kubeparcel.config.patch_settings import applicable_patches
from kubeparcel.lock_models import STATED, UNCHECKED, Component, Lock

if TYPE_CHECKING:
    from kubeparcel.config.component_models import ComponentSpec


def locked_components(lock: Lock) -> Mapping[str, ComponentSpec]:
    """Return the components of a lock, with the user's, and the binaries that it has in addition to the catalog's."""
    return catalogs.for_request(lock.request).components


def source_of(lock: Lock, component: str) -> str:
    """Return the source of a component: that of the lock, unless only the other one has it."""
    spec = locked_components(lock).get(component)
    return spec.source(lock.source) if spec else lock.source


def toolchain_of(lock: Lock, component: str) -> str:
    """Return the compiler of a component's binaries; empty if they were downloaded."""
    return "" if source_of(lock, component) == "upstream" else lock.toolchain


def component_origin(lock: Lock, component: str) -> str:
    """Return the Go module and sum of a component, or the host of its upstream files."""
    if not component:
        return "kubeparcel.yaml"
    first = lock.component(component).artifacts[0]
    if first.commit:
        return f"git {first.commit}"
    return f"{first.origin} {first.digest}" if source_of(lock, component) == "go" else first.origin.split("/")[2]


def describe_lock(lock: Lock, remark: str) -> str:
    """Return `Kubernetes 1.36.3 · cri-tools 1.36.0 · CNI plugins 1.9.1   (REMARK, source go)`."""
    specs = locked_components(lock)
    versions = [f"{specs[c.name].title} {c.version}" for c in lock.components]
    return f"{' · '.join(versions)}   ({remark}, source {lock.source})"


def describe_inputs(lock: Lock) -> str:
    """Return how the files of a lock were verified, a line for each way: `cri-tools, CNI plugins: SHA-256`."""
    specs, titles = locked_components(lock), defaultdict[str, list[str]](list)
    for component in lock.components:
        spec = specs[component.name]
        titles[_describe_checks(component, spec)].append(spec.title)
    checks = [f"{', '.join(names)}: {checks}" for checks, names in titles.items()]
    return "\n".join([*checks, *_describe_patches(lock)])


def _describe_patches(lock: Lock) -> Iterator[str]:
    """Yield a line for each patched component, such as `Kubernetes patched: fix-1.patch`."""
    for component in lock.components:
        patches = applicable_patches(lock.request.variant, component.name, component.version.release)
        if patches:
            title = locked_components(lock)[component.name].title
            yield f"{title} patched: {', '.join(patch.name for patch in patches)}"


def _describe_checks(component: Component, spec: ComponentSpec) -> str:
    checksums = {artifact.checksum for artifact in component.artifacts}
    signers = {artifact.signature.identity if artifact.signature else "" for artifact in component.artifacts}
    if commit := component.artifacts[0].commit:
        dirty = ", with changes that are not committed" if component.version.is_dirty else ""
        of = f" of {component.artifacts[0].repository}" if component.artifacts[0].repository else ""
        return f"commit {commit[:12]}{of}{dirty}"
    if any(artifact.is_module for artifact in component.artifacts):
        return "checksum database not recorded" if "" in checksums else _describe_database(checksums)
    if signers and "" not in signers:
        return f"signed by {', '.join(sorted(signers))}"
    kinds = ", ".join(sorted(_KINDS.get(kind, "SHA-256") for kind in checksums))
    if spec.signature_of(component.version):
        return f"{kinds}, signatures not verified"
    since = min((row.versions.since for row in spec.signatures), default="")
    return f"{kinds}, signed by upstream from {since} on" if since else kinds


_KINDS = {"sha1": "SHA-1 only", "sha512": "SHA-512", STATED: "SHA-256 in kubeparcel.yaml"}


def _describe_database(checksums: set[str]) -> str:
    if UNCHECKED in checksums:
        return "not checked against a checksum database"
    return f"checked against {', '.join(sorted(checksums))}"
