"""The Protocol of sources of binaries, each of which is one file; and a source made of two."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from kubeparcel.console import Log
from kubeparcel.lock_models import Artifact, Binaries, Component
from kubeparcel.model import Arch, Version
from kubeparcel.store import Store

if TYPE_CHECKING:
    from kubeparcel.config.component_models import ComponentSpec


class Source(Protocol):
    """Offers releases of Kubernetes, cri-tools and the CNI plugins."""

    @property
    def name(self) -> str:
        """The name of the source, such as `upstream`."""

    @property
    def toolchain(self) -> str:
        """The compiler that decides the bytes, such as `go1.26.8`; empty if nothing is compiled."""

    def probe(self) -> None:
        """Raise Unreachable or ToolError if the source cannot be used."""

    def resolve_kubernetes(self, requested: str) -> Version:
        """Return the exact version of `stable`, `latest`, `1.36` or `v1.36.3`. Raises UnknownVersion, naming others."""

    def is_published(self, component: str, version: Version) -> bool:
        """Return whether a version of `kubernetes`, `cri-tools` or `cni` is published."""

    def list_versions(self) -> Sequence[Version]:
        """Return the newest Kubernetes version of each minor, newest first, and a newer pre-release if there is one."""

    def pin(self, component: str, version: Version, arches: Sequence[Arch]) -> Component:
        """Return a release with its artifacts and digests. Raises UnknownVersion if one is not published."""

    def cached(self, artifact: Artifact, store: Store) -> Mapping[str, str] | None:
        """Return the SHA-256 of an artifact's binaries by name, if the store has all of them."""

    def download_size(self, artifact: Artifact) -> int | None:
        """Return the bytes to download, None if that is unknown."""

    def prepare(self, artifacts: Sequence[Artifact], store: Store, warn: Callable[[str], None]) -> None:
        """Raise PatchError if a patch does not apply, before anything is compiled."""

    def fetch(self, artifacts: Sequence[Artifact], store: Store, log: Log) -> Binaries:
        """Put the binaries of the artifacts into the store, verified, and return their digests."""


class MixedSource:
    """A source that takes what only `other` has from there: a program without a Go module, say."""

    def __init__(self, main: Source, other: Source, components: Mapping[str, ComponentSpec]) -> None:
        self.main, self.other, self.components = main, other, components
        self.name = main.name

    def _source(self, component: str) -> Source:
        return self.main if self.components[component].source(self.name) == self.name else self.other

    @property
    def toolchain(self) -> str:
        return self.main.toolchain or self.other.toolchain

    def probe(self) -> None:
        self.main.probe()

    def resolve_kubernetes(self, requested: str) -> Version:
        return self.main.resolve_kubernetes(requested)

    def is_published(self, component: str, version: Version) -> bool:
        return self._source(component).is_published(component, version)

    def list_versions(self) -> Sequence[Version]:
        return self.main.list_versions()

    def pin(self, component: str, version: Version, arches: Sequence[Arch]) -> Component:
        return self._source(component).pin(component, version, arches)

    def cached(self, artifact: Artifact, store: Store) -> Mapping[str, str] | None:
        return self._source(artifact.component).cached(artifact, store)

    def download_size(self, artifact: Artifact) -> int | None:
        return self._source(artifact.component).download_size(artifact)

    def prepare(self, artifacts: Sequence[Artifact], store: Store, warn: Callable[[str], None]) -> None:
        for artifact in artifacts:
            self._source(artifact.component).prepare([artifact], store, warn)

    def fetch(self, artifacts: Sequence[Artifact], store: Store, log: Log) -> Binaries:
        others = [a for a in artifacts if self._source(a.component) is self.other]
        most = [a for a in artifacts if a not in others]
        return {**self.other.fetch(others, store, log), **self.main.fetch(most, store, log)}
