"""The indexes of an apt suite: Packages for each architecture, by-hash copies, and Release.

The format: wiki.debian.org/DebianRepository/Format.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import zlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kubeparcel.model import Format
from kubeparcel.repository.model import DAY, Indexes, RepositoryOptions, index_folder
from kubeparcel.repository.package import Package

if TYPE_CHECKING:
    from kubeparcel.repository.package_cache import LoadParts
    from kubeparcel.repository.signing.signer import Signer

COMPONENT = "main"
ENTRY_FILES: tuple[str, ...] = ("Release", "Release.gpg", "InRelease")
"""The files that clients read first, in the order in which they are replaced."""

XZ_LIMIT = 1 << 20
"""The largest index, in bytes, that is also compressed with xz; larger ones would take too long."""


def architectures(packages: Iterable[Package]) -> tuple[str, ...]:
    """Return the architectures of a suite; `all` only if it has no other."""
    names = {package.arch for package in packages}
    return tuple(sorted(names - {"all"})) or tuple(names)


def index_texts(packages: Sequence[Package], load: LoadParts) -> dict[str, bytes]:
    """Return the Packages file of each architecture; `packages` are sorted."""
    texts = {}
    for arch in architectures(packages):
        members = [package for package in packages if package.arch in (arch, "all")]
        text = io.BytesIO()
        for part in load(arch, members, "\n"):
            text.write(f"\n{part.primary}".encode() if text.tell() else part.primary.encode())
        texts[arch] = text.getvalue()
    return texts


def build_indexes(suite: str, texts: Mapping[str, bytes], options: RepositoryOptions, now: int) -> Indexes:
    """Compress the Packages files of a suite and list them in Release; `now` is in Unix time."""
    files = {
        f"{COMPONENT}/binary-{arch}/Packages{suffix}": data
        for arch, text in texts.items()
        for suffix, data in compress_index(text).items()
    }
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    by_hash = {f"{name.rpartition('/')[0]}/by-hash/SHA256/{digest}": files[name] for name, digest in digests.items()}
    checksums = [f" {digests[name]} {len(files[name]):>10} {name}" for name in sorted(files)]
    release = _release(suite, tuple(texts), checksums, options, now)
    return Indexes(index_folder((suite, Format.DEB)), files, by_hash, release.encode())


def sign(indexes: Indexes, signer: Signer) -> Indexes:
    """Return the indexes with Release, Release.gpg and InRelease."""
    inline, detached = signer.sign_release(indexes.manifest)
    return replace(indexes, entry_files=dict(zip(ENTRY_FILES, (indexes.manifest, detached, inline), strict=True)))


def compress_index(text: bytes) -> dict[str, bytes]:
    """Return an index by suffix: plain, gzip, and up to XZ_LIMIT also xz."""
    with ThreadPoolExecutor(2) as threads:
        gz = threads.submit(compress_gzip, text)
        xz = threads.submit(lzma.compress, text) if len(text) <= XZ_LIMIT else None
        compressed = {"": text, ".gz": gz.result()}
        return compressed | ({".xz": xz.result()} if xz else {})


def compress_gzip(data: bytes) -> bytes:
    """Compress reproducibly: the gzip header has no time and no file name."""
    compressor = zlib.compressobj(6, zlib.DEFLATED, 31)
    return compressor.compress(data) + compressor.flush()


def _release(
    suite: str, architectures: Sequence[str], checksums: Sequence[str], options: RepositoryOptions, now: int
) -> str:
    days = options.valid_days
    lines = (
        f"Origin: {options.origin}",
        f"Label: {options.label or options.origin}",
        f"Suite: {suite}",
        f"Codename: {suite}",
        f"Date: {_date(now)}",
        *([f"Valid-Until: {_date(now + days * DAY)}"] if days else []),
        "Acquire-By-Hash: yes",
        f"Architectures: {' '.join(architectures)}",
        f"Components: {COMPONENT}",
        f"Description: {options.description} ({suite})",
        "SHA256:",
        *checksums,
    )
    return "".join([f"{line.rstrip()}\n" for line in lines])


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%a, %d %b %Y %H:%M:%S UTC")
