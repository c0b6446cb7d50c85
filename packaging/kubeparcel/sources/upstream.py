"""Source `upstream`: the published binaries of dl.k8s.io and GitHub, or of a mirror of both."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from kubeparcel.console import Log
from kubeparcel.errors import ArchiveError, DownloadError, UnknownVersion
from kubeparcel.model import Arch, Artifact, Binaries, Component, Version
from kubeparcel.sources.checksums import published_digest
from kubeparcel.sources.fetch import expected_sha256, fetch_to_store
from kubeparcel.sources.http.errors import redact_url
from kubeparcel.sources.http.retry import RetryPolicy
from kubeparcel.sources.transport_factory import create_transport
from kubeparcel.store import Store
from kubeparcel.threads import CancelToken, parallel_map

if TYPE_CHECKING:
    from kubeparcel.config.catalog_models import ComponentSpec

OLDEST_MINOR = 11
"""The first minor of Kubernetes 1 that the catalog knows the dependencies of."""


class Upstream:
    """Kubernetes, cri-tools and the CNI plugins as upstream publishes them.

    `mirror` is a URL or a directory that has upstream's https://HOST/PATH as MIRROR/HOST/PATH;
    `width` is how many downloads run at a time.
    """

    name: ClassVar[str] = "upstream"

    def __init__(
        self,
        components: Mapping[str, ComponentSpec],
        mirror: str = "",
        policy: RetryPolicy | None = None,
        workers: int = 4,
    ) -> None:
        self.components = components
        self.label = f"The mirror {redact_url(mirror)}" if mirror else "Upstream"
        self.workers = workers
        self.toolchain = ""
        self.transport = create_transport(mirror, policy or RetryPolicy())

    def probe(self) -> None:
        """Raise Unreachable unless a marker can be had within some seconds."""
        self.transport.probe(self.marker_url("stable"))

    def marker_url(self, name: str) -> str:
        """The address of `stable.txt`, `stable-1.36.txt` and so on: each holds one version."""
        releases = self.components["kubernetes"].upstream[0].binary.partition("/v{version}/")[0]
        return f"{releases}/{name}.txt"

    def read_marker(self, name: str, stop: CancelToken) -> Version | None:
        """The version in a marker; None when there is no such marker."""
        text = self.transport.read(self.marker_url(name), stop)
        if text is None:
            return None
        try:
            return Version.parse(text)
        except UnknownVersion:
            raise DownloadError(
                f"{self.transport.location(self.marker_url(name))} holds {text[:40]!r}, "
                "not a version.",
                "Something else answers in its place (a login page of a proxy?), or the mirror is "
                "damaged: look at it.",
            ) from None

    def resolve_kubernetes(self, wanted: str) -> Version:
        wanted = wanted.strip().removeprefix("v")
        if wanted in {"stable", "latest"}:
            found = self.read_marker(wanted, CancelToken())
        elif re.fullmatch(r"\d+\.\d+", wanted):
            found = self.read_marker(f"stable-{wanted}", CancelToken())
        else:
            exact = Version.parse(wanted)
            found = exact if self.is_published("kubernetes", exact) else None
        if found is None:
            raise self._unknown(wanted)
        return found

    def _unknown(self, wanted: str) -> UnknownVersion:
        """The error for a Kubernetes that is not there, with what is."""
        series = ".".join(wanted.split(".")[:2])
        names = [f"stable-{series}", f"latest-{series}", "stable"]
        stable, latest, newest = parallel_map(self.read_marker, names)
        there = [
            *([f"the newest {series} is {stable}"] if stable else []),
            *([f"of {series} there is {latest}"] if latest and not stable else []),
            *([f"the newest is {newest}"] if newest else []),
        ]
        return UnknownVersion(
            f"{self.label} has no Kubernetes {wanted}: {', '.join(there) or 'nor any other'}.",
            "All that there are: inv versions",
        )

    def is_published(self, component: str, version: Version) -> bool:
        # A mirror may have a release for some architectures only.
        return any(
            self._digest(self.artifacts(component, version, arch)[0], CancelToken())
            for arch in Arch
        )

    def list_versions(self) -> Sequence[Version]:
        newest = self.read_marker("stable", CancelToken())
        if newest is None:
            raise DownloadError(
                f"{self.transport.location(self.marker_url('stable'))} is not there."
            )
        minors = range(newest.minor, OLDEST_MINOR - 1, -1)
        found = parallel_map(
            self.read_marker, [f"stable-{newest.major}.{minor}" for minor in minors], 8
        )
        return tuple(version for version in found if version)

    def artifacts(self, component: str, version: Version, arch: Arch) -> list[Artifact]:
        """The files of a release, with no digests yet. Raises UnknownVersion for one too old."""
        spec = self.components[component]
        row = next((row for row in spec.upstream if row.versions.contains(version)), None)
        if row is None:
            raise UnknownVersion(f"{self.label} has no {spec.title} {version}.")
        address = row.binary or row.archive
        return [
            Artifact(
                component, name, arch, address.format(version=version, arch=arch, name=name), ""
            )
            for name in (spec.binaries if row.binary else (component,))
        ]

    def _digest(self, artifact: Artifact, stop: CancelToken) -> str | None:
        """The sha256 that is published beside a file; None when there is none."""
        address = f"{artifact.origin}.sha256"
        text = self.transport.read(address, stop)
        if text is None:
            return None
        name = artifact.origin.rpartition("/")[2]
        return published_digest(text, name, self.transport.location(address))

    def pin(self, component: str, version: Version, arches: Sequence[Arch]) -> Component:
        wanted = [a for arch in arches for a in self.artifacts(component, version, arch)]
        digests = parallel_map(self._digest, wanted, self.workers)
        absent = dict.fromkeys(
            str(a.arch) for a, digest in zip(wanted, digests, strict=True) if not digest
        )
        if absent:
            title = self.components[component].title
            raise UnknownVersion(
                f"{self.label} has no {title} {version} for {', '.join(absent)}.",
                f"{self.transport.location(wanted[digests.index(None)].origin)}.sha256 "
                "is not there.",
            )
        pinned = (
            dataclasses.replace(a, digest=f"sha256:{digest}")
            for a, digest in zip(wanted, digests, strict=True)
        )
        return Component(component, version, self._released(wanted[0]), tuple(pinned))

    def _released(self, artifact: Artifact) -> int:
        """When a release was made: when its first file was uploaded."""
        released = self.transport.last_modified(artifact.origin, CancelToken())
        if not released:
            why = "is not there" if released is None else "has no date (no Last-Modified)"
            raise DownloadError(
                f"{self.transport.location(artifact.origin)} {why}.",
                "Packages carry the date of their release. Fill the mirror anew (inv mirror), or "
                "let its server send Last-Modified.",
            )
        return released

    def download(self, artifacts: Sequence[Artifact], store: Store, log: Log) -> None:
        """Get files into the store as they are."""
        parallel_map(
            lambda a, stop: fetch_to_store(a, self.transport, store, log, stop),
            artifacts,
            self.workers,
        )

    def fetch(self, artifacts: Sequence[Artifact], store: Store, log: Log) -> Binaries:
        found = parallel_map(
            lambda a, stop: self._programs(a, store, log, stop), artifacts, self.workers
        )
        binaries: dict[tuple[str, Arch], dict[str, str]] = {}
        for artifact, programs in zip(artifacts, found, strict=True):
            binaries.setdefault((artifact.component, artifact.arch), {}).update(programs)
        return binaries

    def _programs(
        self, artifact: Artifact, store: Store, log: Log, stop: CancelToken
    ) -> Mapping[str, str]:
        """The programs that an artifact is or holds, in the store."""
        from kubeparcel.sources import archive

        spec, digest = self.components[artifact.component], expected_sha256(artifact)
        if artifact.name in spec.binaries:
            fetch_to_store(artifact, self.transport, store, log, stop)
            return {artifact.name: digest}
        found = archive.cached_programs(store, digest)
        if found is None:
            fetch_to_store(artifact, self.transport, store, log, stop)
            with store.lock(f"unpack-{digest}", stop.raise_if_cancelled):
                found = archive.cached_programs(store, digest) or archive.unpack_programs(
                    store, digest, artifact.label
                )
        lacking = [name for name in spec.binaries if name not in found]
        if lacking:
            raise ArchiveError(f"{artifact.label}: the archive holds no {', '.join(lacking)}.")
        return found
