"""Components from two sources: most from one, and those that it does not have from the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from kubeparcel.console import Log
from kubeparcel.lock_models import Artifact, Binaries, Component
from kubeparcel.model import Arch, Version
from kubeparcel.sources.source import Source
from kubeparcel.store import Store

if TYPE_CHECKING:
    from kubeparcel.config.component_models import ComponentSpec


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
