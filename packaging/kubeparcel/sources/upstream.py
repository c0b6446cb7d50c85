"""Source `upstream`: the published binaries of dl.k8s.io and GitHub, or of a mirror of both."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from kubeparcel.console import Log, QuietLog
from kubeparcel.errors import ArchiveError, ConfigurationError, DownloadError, UnknownVersion
from kubeparcel.lock_models import STATED, Artifact, Binaries, Component, InputPolicy
from kubeparcel.model import Arch, Version
from kubeparcel.paths import cache_dir
from kubeparcel.sanitize import redact_url
from kubeparcel.sources.checksums import DIGITS, Checksum, lists_only_others, published_digest
from kubeparcel.sources.fetch import expected_sha256, fetch_by_checksum, fetch_to_store
from kubeparcel.sources.http.retry import RetryPolicy
from kubeparcel.sources.local_mirror import create_transport
from kubeparcel.sources.signatures import Signatures
from kubeparcel.sources.upstream_versions import VersionMarkers
from kubeparcel.store import Store
from kubeparcel.threads import CancelToken, parallel_map

if TYPE_CHECKING:
    from kubeparcel.config.component_models import ComponentSpec


class Upstream:
    """Kubernetes, cri-tools and the CNI plugins as upstream publishes them.

    `mirror` is a URL or a folder that has upstream's https://HOST/PATH as MIRROR/HOST/PATH; `workers` is the number of
    parallel downloads. `store` and `log` are for files that are needed before their version is locked.
    """

    name: ClassVar[str] = "upstream"

    def __init__(
        self,
        components: Mapping[str, ComponentSpec],
        mirror: str = "",
        policy: RetryPolicy | None = None,
        workers: int = 4,
        accepted: InputPolicy | None = None,
        store: Store | None = None,
        log: Log | None = None,
    ) -> None:
        self.components = components
        self.accepted = accepted or InputPolicy()
        self.store = store or Store(cache_dir())
        self.log = log or QuietLog()
        self.label = f"The mirror {redact_url(mirror)}" if mirror else "Upstream"
        self.workers = workers
        self.toolchain = ""
        self.transport = create_transport(mirror, policy or RetryPolicy())

    def probe(self) -> None:
        """Raise Unreachable unless a marker file can be read within a few seconds."""
        self.transport.probe(self.markers.url("stable"))

    @functools.cached_property
    def markers(self) -> VersionMarkers:
        """The files that name the newest versions."""
        releases = self.components["kubernetes"].upstream[0].binary.partition("/v{version}/")[0]
        return VersionMarkers(releases, self.transport, self.label)

    def resolve_kubernetes(self, requested: str) -> Version:
        requested = requested.strip().removeprefix("v")
        if requested in {"stable", "latest"}:
            version = self.markers.read(requested, CancelToken())
        elif re.fullmatch(r"\d+\.\d+", requested):
            version = self.markers.read(f"stable-{requested}", CancelToken())
        else:
            exact = Version.parse(requested)
            version = exact if self.is_published("kubernetes", exact) else None
        if version is None:
            raise self.markers.unknown_version(requested)
        return version

    def list_versions(self) -> Sequence[Version]:
        return self.markers.list_versions()

    def is_published(self, component: str, version: Version) -> bool:
        # A mirror may have a release for some architectures only.
        artifacts = [self.artifacts(component, version, arch)[0] for arch in Arch]
        if any(self.published_checksum(artifact, CancelToken()) for artifact in artifacts):
            return True
        self._require_no_files(artifacts)
        return False

    def artifacts(self, component: str, version: Version, arch: Arch) -> list[Artifact]:
        """Return the files of a release, with digests only of the user; raise UnknownVersion for one too old."""
        spec = self.components[component]
        location = next((place for place in spec.upstream if place.versions.contains(version)), None)
        if location is None:
            raise UnknownVersion(f"{self.label} has no {spec.title} {version}.")
        stated = (f"sha256:{location.sha256[arch]}", STATED) if arch in location.sha256 else ("",)
        return [
            Artifact(component, name, arch, location.url.format(version=version, arch=arch, name=name), *stated)
            for name in (spec.binaries if location.binary else (component,))
        ]

    def checksum_url(self, artifact: Artifact, kind: str = "sha256") -> str:
        folder, _, file = artifact.origin.rpartition("/")
        name = self.components[artifact.component].checksums if kind == "sha256" else f"{{file}}.{kind}"
        return f"{folder}/{name.format(file=file)}"

    def published_checksum(self, artifact: Artifact, token: CancelToken) -> Checksum | None:
        """Return the best checksum that is published for a file; None if there is none."""
        if artifact.checksum == STATED:
            return Checksum("sha256", expected_sha256(artifact))
        name = artifact.origin.rpartition("/")[2]
        is_list = "{file}" not in self.components[artifact.component].checksums
        for kind in DIGITS:
            url = self.checksum_url(artifact, kind)
            text = self.transport.read(url, token)
            if text is not None and is_list and kind == "sha256" and lists_only_others(text, name):
                continue
            if text is not None:
                return Checksum(kind, published_digest(text, name, self.transport.location(url), kind))
        return None

    def _require_no_files(self, artifacts: Sequence[Artifact]) -> None:
        """Raise UnknownVersion if a file exists whose checksum file is missing."""
        stats = parallel_map(lambda a, token: self.transport.stat(a.origin, token), artifacts, self.workers)
        for artifact, stat in zip(artifacts, stats, strict=True):
            if stat:
                raise UnknownVersion(
                    f"{self.transport.location(self.checksum_url(artifact))} is missing, although "
                    f"{artifact.origin.rpartition('/')[2]} exists.",
                    "Downloads are verified against upstream's checksums: copy the checksum files as well.\n"
                    "inv mirror copies everything that a build needs.",
                )

    def pin(self, component: str, version: Version, arches: Sequence[Arch]) -> Component:
        artifacts = [a for arch in arches for a in self.artifacts(component, version, arch)]
        published = parallel_map(self.published_checksum, artifacts, self.workers)
        checksums = {artifact: checksum for artifact, checksum in zip(artifacts, published, strict=True) if checksum}
        missing = [artifact for artifact in artifacts if artifact not in checksums]
        if missing:
            self._require_no_files(missing)
            raise self._incomplete(component, version, missing, artifacts)
        self._require_accepted(component, version, checksums)
        pinned = parallel_map(lambda a, token: self._pin_file(a, checksums[a], token), artifacts, self.workers)
        signed, remarks = self.signatures.sign(component, version, pinned, self.store)
        return Component(component, version, self._release_time(pinned[0]), signed, remarks)

    @functools.cached_property
    def signatures(self) -> Signatures:
        """The signatures of these files."""
        return Signatures(self.components, self.transport, self.accepted, self.workers)

    def _incomplete(
        self, component: str, version: Version, missing: Sequence[Artifact], artifacts: Sequence[Artifact]
    ) -> UnknownVersion:
        names = {artifact.name for artifact in missing}
        has_others = bool({artifact.name for artifact in artifacts if artifact not in missing} - names)
        title = ", ".join(sorted(names)) if has_others else self.components[component].title
        missing_arches = ", ".join(dict.fromkeys(str(artifact.arch) for artifact in missing))
        return UnknownVersion(
            f"{self.label} has no {title} {version} for {missing_arches}.",
            f"{self.transport.location(self.checksum_url(missing[0]))} does not exist.",
        )

    def _require_accepted(self, component: str, version: Version, checksums: Mapping[Artifact, Checksum]) -> None:
        """Raise ConfigurationError for files that only SHA-1 protects, unless they are accepted."""
        weak = [artifact for artifact, checksum in checksums.items() if checksum.kind == "sha1"]
        if weak and not self.accepted.accept_sha1:
            raise ConfigurationError(
                f"{self.label} has only SHA-1 checksums of {self.components[component].title} {version} "
                f"({self.transport.location(weak[0].origin)}.sha1).",
                "Files with the same SHA-1 can be forged. To accept them nevertheless: --accept-sha1\n"
                "kubeparcel.lock then has the SHA-256 of the downloaded files, and records the SHA-1.",
            )

    def _pin_file(self, artifact: Artifact, checksum: Checksum, token: CancelToken) -> Artifact:
        """Return a file with its SHA-256, which is computed from the file if upstream publishes another checksum."""
        if checksum.kind == "sha256":
            return dataclasses.replace(artifact, digest=f"sha256:{checksum.digest}")
        sha256 = fetch_by_checksum(artifact, checksum, self.transport, self.store, self.log, token)
        return dataclasses.replace(artifact, digest=f"sha256:{sha256}", checksum=checksum.kind)

    def _release_time(self, artifact: Artifact) -> int:
        """Return the upload time of a release's first file, in seconds since 1970."""
        stat = self.transport.stat(artifact.origin, CancelToken())
        if not stat or not stat.modified:
            problem = "has no date (no Last-Modified)" if stat else "does not exist"
            raise DownloadError(
                f"{self.transport.location(artifact.origin)} {problem}.",
                "Packages carry the date of their release. Fill the mirror again (inv mirror), or "
                "configure its server to send Last-Modified.",
            )
        return stat.modified

    def cached(self, artifact: Artifact, store: Store) -> Mapping[str, str] | None:
        digest = expected_sha256(artifact)
        if self.components[artifact.component].has_archives:
            from kubeparcel.sources import archive

            return archive.cached_programs(store, digest)
        return {artifact.name: digest} if store.has(digest) else None

    def download_size(self, artifact: Artifact) -> int | None:
        stat = self.transport.stat(artifact.origin, CancelToken())
        return stat.size if stat else None

    def download(self, artifacts: Sequence[Artifact], store: Store, log: Log) -> None:
        """Fetch files into the store, without unpacking them."""
        parallel_map(
            lambda artifact, token: fetch_to_store(artifact, self.transport, store, log, token), artifacts, self.workers
        )

    def prepare(self, artifacts: Sequence[Artifact], store: Store, warn: Callable[[str], None]) -> None:
        pass

    def fetch(self, artifacts: Sequence[Artifact], store: Store, log: Log) -> Binaries:
        required = self.accepted.require_signatures
        self.signatures.check([a for a in artifacts if required or self.cached(a, store) is None], store, log)
        programs_by_artifact = parallel_map(
            lambda artifact, token: self._fetch_programs(artifact, store, log, token), artifacts, self.workers
        )
        binaries: dict[tuple[str, Arch], dict[str, str]] = {}
        for artifact, programs in zip(artifacts, programs_by_artifact, strict=True):
            binaries.setdefault((artifact.component, artifact.arch), {}).update(programs)
        return binaries

    def _fetch_programs(self, artifact: Artifact, store: Store, log: Log, token: CancelToken) -> Mapping[str, str]:
        """Fetch a program, or the programs of an archive; return the SHA-256 of each."""
        spec, digest = self.components[artifact.component], expected_sha256(artifact)
        programs = self.cached(artifact, store)
        if programs is None:
            fetch_to_store(artifact, self.transport, store, log, token)
            programs = self.cached(artifact, store)
        if programs is None:
            from kubeparcel.sources import archive

            with store.lock(f"unpack-{digest}", token.raise_if_cancelled):
                programs = self.cached(artifact, store) or archive.unpack_programs(store, digest, artifact.label)
        missing = [name for name in spec.binaries if name not in programs]
        if missing and spec.has_archives:
            raise ArchiveError(f"{artifact.label}: the archive does not have {', '.join(missing)}.")
        return programs
