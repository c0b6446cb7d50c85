"""The work of a build in units: fetch or compile binaries, assemble a package; `check_unit` has the checks.

Units are values that can be sent to other processes and machines. Equal work has an equal key, for all
releases; results are values, and all files go through the store.
"""

from __future__ import annotations

import functools
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from kubeparcel.build.assembler import BuiltPackage, assemble_package, cached_package, input_size, manifest_digest
from kubeparcel.console import Log
from kubeparcel.lock_models import Artifact, BuildVariant, InputPolicy
from kubeparcel.packages.manifest import PackageManifest
from kubeparcel.sources import selection
from kubeparcel.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from kubeparcel.config.component_models import ComponentSpec
    from kubeparcel.sources.source import Source

DURATIONS = "compile-time"
"""The kind of the records of how many seconds compiling a component took."""

SECONDS_PER_WEIGHT = 30
BYTES_PER_SECOND = 20_000_000


class Resource(StrEnum):
    """What a unit occupies while it runs."""

    NETWORK = "network"
    GO = "go"
    ASSEMBLE = "assemble"
    CHECK = "check"
    PRIVILEGED = "privileged"


class Unit(Protocol):
    """A piece of work. `weight` is its estimated duration in seconds."""

    @property
    def key(self) -> str:
        """A digest of everything that decides the result."""

    @property
    def label(self) -> str:
        """The name for messages."""

    @property
    def resource(self) -> Resource:
        """What the unit occupies."""

    @property
    def weight(self) -> float:
        """The estimated duration in seconds."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The digests of the files in the store that the unit reads."""

    def cached(self, store: Store) -> Any:
        """Return the result if the store has it, else None."""

    def run(self, store: Store, log: Log) -> Any:
        """Run the unit and return the result; its files are in the store."""

    def cancel(self) -> None:
        """End `run` early, which then raises Cancelled; without effect on units that cannot be ended."""
        return


Submit: TypeAlias = "Callable[[Unit], Future[Any]]"
"""Starts a unit somewhere. A future that is cancelled before its unit has started must not start it."""


@dataclass(frozen=True)
class FetchUnit(Unit):
    """Downloads or compiles the binaries of a component for an architecture; the result is their digests by name."""

    artifacts: tuple[Artifact, ...]
    spec: ComponentSpec
    source: str
    toolchain: str = ""
    mirror: str = ""
    policy: InputPolicy = field(default_factory=InputPolicy)
    variant: BuildVariant = field(default_factory=BuildVariant)
    weight: float = 1
    tree: str = ""
    """The folder of a git checkout that has the artifacts' commit."""

    @functools.cached_property
    def key(self) -> str:
        artifacts = [asdict(artifact) for artifact in self.artifacts]
        fields = [self.source, self.toolchain, self.mirror, asdict(self.policy), asdict(self.variant)]
        return _digest("fetch", artifacts, self.spec.model_dump(mode="json"), *fields)

    @property
    def label(self) -> str:
        artifact = self.artifacts[0]
        return f"{self.spec.title} {artifact.arch}"

    @property
    def resource(self) -> Resource:
        return Resource.GO if self.source == "go" else Resource.NETWORK

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(patch.sha256 for patch in self.variant.patches)

    def cached(self, store: Store) -> Mapping[str, str] | None:
        if self.policy.require_signatures:
            return None
        source, binaries = self._open(None), dict[str, str]()
        for artifact in self.artifacts:
            digests = source.cached(artifact, store)
            if digests is None:
                return None
            binaries.update(digests)
        return binaries

    def prepare(self, store: Store) -> None:
        """Raise PatchError if a patch does not apply, before other units are run, which repeat its warnings."""
        self._open(None).prepare(self.artifacts, store, lambda _: None)

    def run(self, store: Store, log: Log) -> Mapping[str, str]:
        started = time.monotonic()
        (binaries,) = self._open(log).fetch(self.artifacts, store, log).values()
        if self.resource is Resource.GO:
            store.put_record(DURATIONS, self.artifacts[0].component, round(time.monotonic() - started, 1))
        return binaries

    def _open(self, log: Log | None) -> Source:
        components = {self.artifacts[0].component: self.spec}
        trees = {self.artifacts[0].component: Path(self.tree)} if self.tree else {}
        return selection.create_source(
            *(self.source, components, self.mirror, self.toolchain, self.policy, log, self.variant),
            trees if self.artifacts[0].commit else None,
        )


@dataclass(frozen=True)
class AssembleUnit(Unit):
    """Assembles a package of files that are in the store; the result is a BuiltPackage."""

    manifest: PackageManifest
    weight: float = 1
    resource: Resource = Resource.ASSEMBLE

    @classmethod
    def of(cls, manifest: PackageManifest, store: Store) -> AssembleUnit:
        """Return the unit with a weight by the size of the files."""
        return cls(manifest, input_size(manifest, store) / BYTES_PER_SECOND)

    @functools.cached_property
    def key(self) -> str:
        return manifest_digest(self.manifest)

    @property
    def label(self) -> str:
        return self.manifest.file_name

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(file.sha256 for file in self.manifest.files if file.sha256))

    def cached(self, store: Store) -> BuiltPackage | None:
        return cached_package(self.manifest, store)

    def run(self, store: Store, log: Log) -> BuiltPackage:
        return assemble_package(self.manifest, store)


def fetch_weight(spec: ComponentSpec, artifacts: Sequence[Artifact], source: str, store: Store) -> float:
    """Return the seconds that fetching takes: compiling as long as last time, else by the catalog."""
    if source != "go":
        return len(artifacts)
    recorded = store.get_record(DURATIONS, artifacts[0].component)
    return recorded if isinstance(recorded, int | float) else spec.weight * SECONDS_PER_WEIGHT


def _digest(*values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
