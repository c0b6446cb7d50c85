"""Fills a folder with upstream's files, for a site that cannot reach upstream."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kubeparcel.config.component_models import SERIES
from kubeparcel.console import Log, quantity
from kubeparcel.errors import ConfigurationError, DigestError, ExternalError
from kubeparcel.files import atomic_write, sha256_of, translate_os_errors
from kubeparcel.lock_models import STATED, Artifact, Component, InputPolicy, Lock
from kubeparcel.model import Version
from kubeparcel.sources.checksums import DIGITS
from kubeparcel.sources.fetch import expected_sha256, file_checksum
from kubeparcel.sources.local_mirror import LocalMirror
from kubeparcel.sources.signature_bundle import BUNDLE
from kubeparcel.sources.upstream import Upstream
from kubeparcel.store import Store
from kubeparcel.threads import CancelToken, parallel_map
from kubeparcel.user_cache import open_store

if TYPE_CHECKING:
    from kubeparcel.config.component_models import ComponentSpec


def fill_mirror(
    folder: Path,
    lock: Lock,
    components: Mapping[str, ComponentSpec],
    mirror: str,
    log: Log,
    store: Store | None = None,
    policy: InputPolicy | None = None,
) -> str:
    """Copy a lock's files to a folder that `--mirror FOLDER` reads; return a summary.

    Each file is FOLDER/HOST/PATH with its checksum file and, if upstream signs it, its bundle (.sigstore.json), dated
    as its release. The markers (stable.txt, stable-1.36.txt …) name the newest release in the folder. Files pass
    through the store; those in the folder already are not transferred again.
    """
    if lock.source != "upstream":
        raise ConfigurationError(
            f"The lock's source is {lock.source}: only upstream's files can be mirrored.",
            "Resolve again where upstream can be reached: inv resolve --source upstream",
        )
    store = store or open_store(log)
    upstream, target = Upstream(components, mirror, accepted=policy, store=store, log=log), LocalMirror(folder)
    current = parallel_map(lambda a, _: _has_digest(target.path(a.origin), expected_sha256(a)), lock.artifacts)
    missing = [a for a, is_current in zip(lock.artifacts, current, strict=True) if not is_current]
    # The bundle of a file that upstream replaced is replaced with it.
    unsigned = [a for a in lock.artifacts if a in missing or not target.path(a.origin + BUNDLE).is_file()]
    upstream.signatures.check(unsigned, store, log)
    upstream.download(missing, store, log)
    new = [_copy_file(a, lock.component(a.component).released, target, store) for a in missing]
    new += _copy_bundles(unsigned, lock, upstream, target, store, log)
    # A release becomes visible after its files: first their checksums, then the markers.
    for component in lock.components:
        new += _copy_checksums(component, upstream, target)
        new += _copy_earlier_checksums(component, upstream, target, lock.request.versions.get(component.name, ""))
    new += _write_markers(lock.component("kubernetes").version, upstream, target)
    if not new:
        return f"Nothing to do: {folder} is complete."
    size = quantity(sum(path.stat().st_size for path in new), "B")
    return f"{folder} · {quantity(len(new), 'new files')}, {size}\nNext: inv build --mirror {folder}"


def _has_digest(path: Path, digest: str) -> bool:
    with translate_os_errors(path):
        return path.is_file() and sha256_of(path) == digest


def _copy_file(artifact: Artifact, released: int, target: LocalMirror, store: Store) -> Path:
    path = target.path(artifact.origin)
    source = store.get(expected_sha256(artifact), artifact.label)
    with atomic_write(path) as temporary:
        shutil.copyfile(source, temporary)
        os.utime(temporary, (released, released))
    return path


def _write_text(url: str, text: str, released: int, target: LocalMirror) -> Path:
    path = target.path(url)
    with atomic_write(path) as temporary:
        temporary.write_text(text, "utf-8")
        os.utime(temporary, (released, released))
    return path


def _copy_bundles(
    artifacts: Sequence[Artifact], lock: Lock, upstream: Upstream, target: LocalMirror, store: Store, log: Log
) -> list[Path]:
    """Copy the bundles of signed files; warn of those that are unavailable."""
    new: list[Path] = []
    reasons: list[str] = []
    for artifact in artifacts:
        try:
            text = upstream.signatures.bundle(artifact, store)
        except ExternalError as error:
            reasons.append(str(error))
            continue
        if text is not None and text != target.read(artifact.origin + BUNDLE, CancelToken()):
            released = lock.component(artifact.component).released
            new.append(_write_text(artifact.origin + BUNDLE, text, released, target))
    if reasons:
        log.warn(f"{quantity(len(reasons), 'files')} will have no signature in the mirror. {reasons[0]}")
    return new


def _copy_checksums(component: Component, upstream: Upstream, target: LocalMirror) -> list[Path]:
    """Copy the checksum files of a release."""
    with_checksums = [artifact for artifact in component.artifacts if artifact.checksum != STATED]
    artifacts = {upstream.checksum_url(a, a.checksum or "sha256"): a for a in with_checksums}
    digests = {url: _checksum(artifact, target) for url, artifact in artifacts.items()}
    missing = [url for url in artifacts if not _contains_digest(target.read(url, CancelToken()), digests[url])]
    new = []
    for url, text in zip(missing, parallel_map(upstream.transport.read, missing), strict=True):
        if not _contains_digest(text, digests[url]):
            raise DigestError(
                f"{upstream.transport.location(url)} does not have the digest in kubeparcel.lock.",
                f"If upstream replaced the file: inv resolve --refresh {artifacts[url].name}",
            )
        new.append(_write_text(url, text or "", component.released, target))
    return new


def _checksum(artifact: Artifact, target: LocalMirror) -> str:
    """Return the digest that the checksum file of a copied file must have."""
    if not artifact.checksum:
        return expected_sha256(artifact)
    return file_checksum(target.path(artifact.origin), artifact.checksum)


def _copy_earlier_checksums(
    component: Component, upstream: Upstream, target: LocalMirror, requested: str
) -> list[Path]:
    """Copy checksum files of earlier patches, if the newest is found by counting up."""
    earlier = [
        artifact
        for artifact in _earlier_artifacts(component, upstream, requested)
        if all(target.read(upstream.checksum_url(artifact, kind), CancelToken()) is None for kind in DIGITS)
    ]
    found = parallel_map(upstream.published_checksum, earlier)
    return [
        _write_text(upstream.checksum_url(artifact, checksum.kind), checksum.digest, component.released, target)
        for artifact, checksum in zip(earlier, found, strict=True)
        if checksum
    ]


def _earlier_artifacts(component: Component, upstream: Upstream, requested: str) -> Iterator[Artifact]:
    spec = upstream.components[component.name]
    if any(pair.version == "minor" for pair in spec.pairs) or SERIES.fullmatch(requested):
        newest, arch = component.version, component.artifacts[0].arch
        for patch in range(newest.patch):
            version = Version(newest.major, newest.minor, patch)
            yield from upstream.artifacts(component.name, version, arch)


def _contains_digest(text: str | None, digest: str) -> bool:
    """Return whether a .sha256 file exists and has this digest (any, if `digest` is empty)."""
    return text is not None and digest in text.lower()


def _write_markers(version: Version, upstream: Upstream, target: LocalMirror) -> list[Path]:
    """Write the markers that do not exist or name an older version."""
    kinds = ("latest",) if version.prerelease else ("stable", "latest")
    names = [name for kind in kinds for name in (kind, f"{kind}-{version.series}")]
    new = []
    for name in names:
        url = upstream.markers.url(name)
        text = target.read(url, CancelToken())
        if text is None or Version.parse(text) < version:
            new.append(_write_text(url, f"v{version}", 0, target))
    return new
