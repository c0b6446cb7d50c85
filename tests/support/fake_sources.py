"""Sources without a network: their locks, and small fake binaries for what they pin."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import pytest

from kubeparcel.console import Log
from kubeparcel.errors import KubeparcelError, UnknownVersion
from kubeparcel.lock_models import Artifact, Binaries, Component, Lock, Request
from kubeparcel.model import Arch, Version
from kubeparcel.store import Store
from tests.support.elf_files import elf

RELEASED: Mapping[str, int] = {
    "kubernetes": 1_784_743_658,  # 2026-07-22 18:07:38 UTC
    "cri-tools": 1_777_045_248,  # 2026-04-24 15:40:48 UTC
    "cni": 1_771_500_712,  # 2026-02-19 11:31:52 UTC
    "etcd": 1_770_000_000,
    "etcdctl": 1_770_000_000,
}
DEFAULT_VERSIONS: Mapping[str, str] = {"cri-tools": "", "cni": ""}
BINARIES: Mapping[str, Sequence[str]] = {
    "kubernetes": ("kubeadm", "kubelet", "kubectl"),
    "cri-tools": ("crictl",),
    "cni": ("bridge", "host-local", "loopback", "portmap"),
    "etcd": ("etcd",),
    "etcdctl": ("etcdctl",),
}


def locked(
    kubernetes: str = "1.36.3",
    cri_tools: str = "1.36.0",
    cni: str = "1.9.1",
    arches: Sequence[Arch] = (Arch.AMD64,),
    **request: Any,
) -> Lock:
    """A lock of these versions from upstream; `request` is what was asked for."""
    source = FakeSource()
    versions = {"kubernetes": kubernetes, "cri-tools": cri_tools, "cni": cni}
    components = [source.pin(name, Version.parse(v), arches) for name, v in versions.items()]
    default = {"kubernetes": kubernetes, "versions": DEFAULT_VERSIONS, "arches": tuple(arches)}
    asked = Request(**{**default, **request})
    return Lock(asked, source.name, tuple(components))


def stored(artifacts: Sequence[Artifact], store: Store) -> Binaries:
    """A small fake binary in the store for each of these artifacts' binaries."""
    binaries: dict[tuple[str, Arch], dict[str, str]] = {}
    for artifact in artifacts:
        for name, program in fake_binaries(artifact).items():
            binaries.setdefault((artifact.component, artifact.arch), {})[name] = store.add_bytes(program)
    return binaries


def fake_binaries(artifact: Artifact) -> dict[str, bytes]:
    """Return small fake programs for an artifact, by name."""
    names = (
        [artifact.name]
        if artifact.component == "kubernetes"
        else BINARIES.get(artifact.component, [artifact.component])
    )
    return {name: elf(f"{artifact.origin} {name}", machine=artifact.arch.elf_machine) for name in names}


class FakeSource:
    """A source that fills the Protocol from its arguments alone.

    `out` are the versions that are published, such as `cri-tools 1.36.0`; `down` is the error of
    a source that does not answer.
    """

    name: ClassVar[str] = "upstream"

    def __init__(
        self,
        kubernetes: Mapping[str, str] | None = None,
        out: Sequence[str] = ("cri-tools 1.36.0", "cni 1.9.1"),
        down: KubeparcelError | None = None,
        toolchain: str = "",
    ) -> None:
        self.versions = kubernetes or {"stable": "1.36.3", "1.36": "1.36.3", "1.36.3": "1.36.3"}
        self.out, self.down, self.toolchain = out, down, toolchain
        self.fetched: list[Artifact] = []
        self.mirror = ""
        self.binaries: Sequence[str] = BINARIES["kubernetes"]

    def probe(self) -> None:
        if self.down:
            raise self.down

    def resolve_kubernetes(self, requested: str) -> Version:
        if requested not in self.versions:
            raise UnknownVersion(f"Kubernetes {requested} is not published.")
        return Version.parse(self.versions[requested])

    def is_published(self, component: str, version: Version) -> bool:
        return f"{component} {version}" in self.out or (
            component == "kubernetes" and str(version) in self.versions.values()
        )

    def list_versions(self) -> Sequence[Version]:
        return sorted({Version.parse(text) for text in self.versions.values()}, reverse=True)

    def pin(self, component: str, version: Version, arches: Sequence[Arch]) -> Component:
        names = self.binaries if component == "kubernetes" else (component,)
        artifacts = [
            Artifact(component, name, arch, origin, f"sha256:{_sha256(origin)}")
            for arch in arches
            for name in names
            for origin in [f"https://{component}.example/v{version}/{arch}/{name}"]
        ]
        return Component(component, version, RELEASED.get(component, 1_770_000_000), tuple(artifacts))

    def prepare(self, artifacts: Sequence[Artifact], store: Store, warn: Callable[[str], None]) -> None:
        pass

    def fetch(self, artifacts: Sequence[Artifact], store: Store, log: Log) -> Binaries:
        self.fetched += artifacts
        return stored(artifacts, store)

    def cached(self, artifact: Artifact, store: Store) -> Mapping[str, str] | None:
        digests = {name: _sha256(program) for name, program in fake_binaries(artifact).items()}
        return digests if all(map(store.has, digests.values())) else None

    def download_size(self, artifact: Artifact) -> int | None:
        if self.down:
            raise self.down
        return 50_000_000 if self.name == "upstream" else None


class FakeModules(FakeSource):
    """The same under the name of the source that compiles."""

    name: ClassVar[str] = "go"


def replace_sources(
    patch: pytest.MonkeyPatch, upstream: FakeSource | None = None, go: FakeSource | None = None
) -> None:
    """Replace the real sources."""
    sources = {"upstream": upstream or FakeSource(), "go": go or FakeModules()}

    def create_source(
        name: str, components: Any, mirror: str = "", toolchain: str = "", *_: Any, **__: Any
    ) -> FakeSource:
        sources[name].mirror = mirror
        if "kubernetes" in components:
            sources[name].binaries = components["kubernetes"].binaries
        return sources[name]

    for module in ("sources.selection", "build.lock.update", "build.preview"):
        patch.setattr(f"kubeparcel.{module}.create_source", create_source)


def _sha256(data: str | bytes) -> str:
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()
