"""Fills a directory with upstream's files, for a site that cannot reach upstream."""

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
    to: Path,
    lock: Lock,
    components: Mapping[str, ComponentSpec],
    mirror: str,
    log: Log,
    store: Store | None = None,
) -> str:
    """Make a lock's releases readable with `--mirror TO`, and say what is new there.

    Each file lies at TO/HOST/PATH with its .sha256 beside it, dated as its release. The markers
    (stable.txt, stable-1.36.txt …) name the newest release that the directory has. Files come
    through the store; what the directory has already is not transferred again.
    """
    if lock.source != "upstream":
        raise ConfigurationError(
            f"The lock's source is {lock.source}: there are no files of upstream's to mirror.",
            "Make it anew where upstream answers: inv resolve --source upstream",
        )
    upstream, there = Upstream(components, mirror), LocalMirror(to)
    new = _files(lock, upstream, there, store or Store(cache_dir()), log)
    # What makes a release visible comes after its files: first their digests, then the markers.
    for component in lock.components:
        new += _sums(component, upstream, there)
    new += _markers(lock.component("kubernetes").version, upstream, there)
    if not new:
        return f"Nothing to do: {to} has all of it."
    size = quantity(sum(path.stat().st_size for path in new), "B")
    return f"{to} · {quantity(len(new), 'new files')}, {size}\nNext: inv build --mirror {to}"


def _files(
    lock: Lock, upstream: Upstream, there: LocalMirror, store: Store, log: Log
) -> list[Path]:
    """Get the files that are not there, or are not what the lock says."""
    sound = parallel_map(
        lambda a, _: _sound(there.path(a.origin), expected_sha256(a)), lock.artifacts
    )
    lacking = [a for a, here in zip(lock.artifacts, sound, strict=True) if not here]
    upstream.download(lacking, store, log)
    dates = {component.name: component.released for component in lock.components}
    return [_place(artifact, dates[artifact.component], there, store) for artifact in lacking]


def _sound(path: Path, digest: str) -> bool:
    with translate_os_errors(path):
        return path.is_file() and sha256_of(path) == digest


def _place(artifact: Artifact, released: int, there: LocalMirror, store: Store) -> Path:
    target = there.path(artifact.origin)
    source = store.get(expected_sha256(artifact), artifact.label)
    with atomic_write(target) as part:
        shutil.copyfile(source, part)
        os.utime(part, (released, released))
    return target


def _write(address: str, text: str, released: int, there: LocalMirror) -> Path:
    target = there.path(address)
    with atomic_write(target) as part:
        part.write_text(text, "utf-8")
        os.utime(part, (released, released))
    return target


def _sums(component: Component, upstream: Upstream, there: LocalMirror) -> list[Path]:
    """Write the .sha256 of a release's files, and of the patches that came before it."""
    wanted = {f"{a.origin}.sha256": a for a in component.artifacts}
    digests = {address: expected_sha256(artifact) for address, artifact in wanted.items()}
    addresses = [*wanted, *_earlier(component, upstream)]
    lacking = [a for a in addresses if not _says(there.read(a, CancelToken()), digests.get(a, ""))]
    new = []
    for address, text in zip(lacking, parallel_map(upstream.transport.read, lacking), strict=True):
        if text is not None and _says(text, digests.get(address, "")):
            new.append(_write(address, text, component.released, there))
        elif address in wanted:
            raise DigestError(
                f"{upstream.transport.location(address)} no longer says what the lock says.",
                f"If upstream replaced the file: inv resolve --refresh {wanted[address].name}",
            )
    return new


def _earlier(component: Component, upstream: Upstream) -> Iterator[str]:
    """The .sha256 of earlier patches, where the newest is found by counting up from the first."""
    if any(row.version == "minor" for row in upstream.components[component.name].pairs):
        last, arch = component.version, component.artifacts[0].arch
        for patch in range(last.patch):
            version = Version(last.major, last.minor, patch)
            for artifact in upstream.artifacts(component.name, version, arch):
                yield f"{artifact.origin}.sha256"


def _says(text: str | None, digest: str) -> bool:
    """Whether a .sha256 is there and says what it should (any digest, when that is empty)."""
    return text is not None and digest in text.lower()


def _markers(version: Version, upstream: Upstream, there: LocalMirror) -> list[Path]:
    """Write the markers that a release moves forward."""
    kinds = ("latest",) if version.prerelease else ("stable", "latest")
    names = [name for kind in kinds for name in (kind, f"{kind}-{version.series}")]
    new = []
    for name in names:
        address = upstream.marker_url(name)
        text = there.read(address, CancelToken())
        if text is None or Version.parse(text) < version:
            new.append(_write(address, f"v{version}", 0, there))
    return new
