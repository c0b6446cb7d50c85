"""Fills a folder with upstream's files, for a site that cannot reach upstream."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kubeparcel.console import Log, quantity
from kubeparcel.errors import ConfigurationError, DigestError
from kubeparcel.model import Artifact, Component, Lock, Version
from kubeparcel.paths import cache_dir
from kubeparcel.sources.fetch import expected_sha256
from kubeparcel.sources.local_mirror import LocalMirror
from kubeparcel.sources.upstream import Upstream
from kubeparcel.store import Store, atomic_write, sha256_of, translate_os_errors
from kubeparcel.threads import CancelToken, parallel_map

if TYPE_CHECKING:
    from kubeparcel.config.catalog_models import ComponentSpec


def fill_mirror(
    folder: Path, lock: Lock, components: Mapping[str, ComponentSpec], mirror: str, log: Log, store: Store | None = None
) -> str:
    """Copy a lock's files to a folder that `--mirror FOLDER` reads; return a summary.

    Each file is FOLDER/HOST/PATH with its .sha256, dated as its release. The markers (stable.txt,
    stable-1.36.txt …) name the newest release in the folder. Files pass through the store; those
    in the folder already are not transferred again.
    """
    if lock.source != "upstream":
        raise ConfigurationError(
            f"The lock's source is {lock.source}: only upstream's files can be mirrored.",
            "Resolve again where upstream can be reached: inv resolve --source upstream",
        )
    upstream, target = Upstream(components, mirror), LocalMirror(folder)
    new = _copy_files(lock, upstream, target, store or Store(cache_dir()), log)
    # A release becomes visible after its files: first their checksums, then the markers.
    for component in lock.components:
        new += _copy_checksums(component, upstream, target)
    new += _write_markers(lock.component("kubernetes").version, upstream, target)
    if not new:
        return f"Nothing to do: {folder} is complete."
    size = quantity(sum(path.stat().st_size for path in new), "B")
    return f"{folder} · {quantity(len(new), 'new files')}, {size}\nNext: inv build --mirror {folder}"


def _copy_files(lock: Lock, upstream: Upstream, target: LocalMirror, store: Store, log: Log) -> list[Path]:
    """Copy the files that are missing, or that differ from the lock."""
    current = parallel_map(lambda a, _: _has_digest(target.path(a.origin), expected_sha256(a)), lock.artifacts)
    missing = [a for a, is_current in zip(lock.artifacts, current, strict=True) if not is_current]
    upstream.download(missing, store, log)
    dates = {component.name: component.released for component in lock.components}
    return [_copy_file(artifact, dates[artifact.component], target, store) for artifact in missing]


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


def _copy_checksums(component: Component, upstream: Upstream, target: LocalMirror) -> list[Path]:
    """Copy the .sha256 files of a release, and those of the patches before it."""
    artifacts = {f"{artifact.origin}.sha256": artifact for artifact in component.artifacts}
    digests = {url: expected_sha256(artifact) for url, artifact in artifacts.items()}
    missing = [
        url
        for url in (*artifacts, *_earlier_checksums(component, upstream))
        if not _contains_digest(target.read(url, CancelToken()), digests.get(url, ""))
    ]
    new = []
    for url, text in zip(missing, parallel_map(upstream.transport.read, missing), strict=True):
        if text is not None and _contains_digest(text, digests.get(url, "")):
            new.append(_write_text(url, text, component.released, target))
        elif url in artifacts:
            raise DigestError(
                f"{upstream.transport.location(url)} does not have the digest in kubeparcel.lock.",
                f"If upstream replaced the file: inv resolve --refresh {artifacts[url].name}",
            )
    return new


def _earlier_checksums(component: Component, upstream: Upstream) -> Iterator[str]:
    """Yield the .sha256 URLs of earlier patches, if the newest is found by counting up."""
    if any(pair.version == "minor" for pair in upstream.components[component.name].pairs):
        newest, arch = component.version, component.artifacts[0].arch
        for patch in range(newest.patch):
            version = Version(newest.major, newest.minor, patch)
            for artifact in upstream.artifacts(component.name, version, arch):
                yield f"{artifact.origin}.sha256"


def _contains_digest(text: str | None, digest: str) -> bool:
    """Return whether a .sha256 file exists and has this digest (any, if `digest` is empty)."""
    return text is not None and digest in text.lower()


def _write_markers(version: Version, upstream: Upstream, target: LocalMirror) -> list[Path]:
    """Write the markers that do not exist or name an older version."""
    kinds = ("latest",) if version.prerelease else ("stable", "latest")
    names = [name for kind in kinds for name in (kind, f"{kind}-{version.series}")]
    new = []
    for name in names:
        url = upstream.marker_url(name)
        text = target.read(url, CancelToken())
        if text is None or Version.parse(text) < version:
            new.append(_write_text(url, f"v{version}", 0, target))
    return new
