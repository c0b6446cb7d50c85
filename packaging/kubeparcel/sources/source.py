"""The Protocol of sources of binaries; each source is one file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

from kubeparcel.console import Log
from kubeparcel.model import Arch, Artifact, Binaries, Component, Version
from kubeparcel.store import Store


class Source(Protocol):
    """A place that has releases of Kubernetes, cri-tools and the CNI plugins."""

    name: ClassVar[str]

    @property
    def toolchain(self) -> str:
        """The compiler that decides the bytes, `go1.26.8`; empty where nothing is compiled."""

    def probe(self) -> None:
        """Return when the source answers; raise Unreachable, or ToolError, when it does not."""

    def resolve_kubernetes(self, wanted: str) -> Version:
        """The exact version meant by `stable`, `1.36`, `1.36.3` or `v1.36.3`.

        Raises UnknownVersion when nobody published it, naming what there is.
        """

    def is_published(self, component: str, version: Version) -> bool:
        """Whether that version of `kubernetes`, `cri-tools` or `cni` is out."""

    def list_versions(self) -> Sequence[Version]:
        """The newest Kubernetes of each minor that can be had here, newest first."""

    def pin(self, component: str, version: Version, arches: Sequence[Arch]) -> Component:
        """The release with what has to be got for each architecture, and its digests.

        Raises UnknownVersion when it is not out (for one of the architectures, named).
        """

    def fetch(self, artifacts: Sequence[Artifact], store: Store, log: Log) -> Binaries:
        """Get everything into the store, verified, and say which binaries that gave."""
