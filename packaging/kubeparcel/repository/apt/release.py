"""An apt suite: Packages in each architecture, by-hash, and the Release that vouches for them.

The format: wiki.debian.org/DebianRepository/Format.
"""

from __future__ import annotations

import hashlib
import lzma
import zlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kubeparcel.repository.model import DAY, Indexes, Package, RepositoryOptions

if TYPE_CHECKING:
    from kubeparcel.repository.index_entries import IndexEntries
    from kubeparcel.repository.signing.signer import Signer

COMPONENT = "main"
ENTRY_FILES = ("Release", "Release.gpg", "InRelease")
"""What clients begin with, in the order it is put in place."""

SMALL = 1 << 20
"""Up to this size, in bytes, an index is there as xz too: beyond it xz is too slow."""


def index_folder(suite: str) -> str:
    """Where a suite's indexes are."""
    return f"apt/dists/{suite}"


def architectures(packages: Iterable[Package]) -> tuple[str, ...]:
    """The architectures a suite serves; packages for all of them are in each one's index."""
    found = {p.arch for p in packages}
    return tuple(sorted(found - {"all"})) or (("all",) if found else ())


def index_texts(debs: Sequence[Package], said: IndexEntries) -> dict[str, bytes]:
    """The index of each architecture, of sorted debs."""
    stanzas = said.debs
    return {
        arch: "\n".join([stanzas[p.sha256] for p in debs if p.arch in (arch, "all")]).encode()
        for arch in architectures(debs)
    }


def build_indexes(
    suite: str, texts: Mapping[str, bytes], terms: RepositoryOptions, now: int
) -> Indexes:
    """Make the indexes of a suite from their texts; `now` is in seconds since 1970."""
    files: dict[str, bytes] = {}
    for arch, text in texts.items():
        for suffix, data in compress_index(text).items():
            files[f"{COMPONENT}/binary-{arch}/Packages{suffix}"] = data
    sums = {name: (hashlib.sha256(data).hexdigest(), len(data)) for name, data in files.items()}
    hashed = {
        f"{name.rpartition('/')[0]}/by-hash/SHA256/{digest}": files[name]
        for name, (digest, _) in sums.items()
    }
    release = _release(suite, tuple(texts), sums, terms, now)
    return Indexes(index_folder(suite), files, hashed, release.encode(), ENTRY_FILES)


def sign_entry_files(made: Indexes, signer: Signer) -> Mapping[str, bytes]:
    """The entry files: the Release with its signatures inside, and apart."""
    inside, apart = signer.sign_release(made.manifest)
    return {"Release": made.manifest, "Release.gpg": apart, "InRelease": inside}


def compress_index(text: bytes) -> dict[str, bytes]:
    """An index as it is, as gzip, and as xz where that is quick."""
    with ThreadPoolExecutor(2) as pool:
        gz = pool.submit(compress_gzip, text)
        xz = pool.submit(lzma.compress, text) if len(text) <= SMALL else None
        found = {"": text, ".gz": gz.result()}
        return found | ({".xz": xz.result()} if xz else {})


def compress_gzip(data: bytes) -> bytes:
    """Gzip without a time or a name in it: equal input, equal output."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()


def _release(
    suite: str,
    found: Sequence[str],
    sums: Mapping[str, tuple[str, int]],
    terms: RepositoryOptions,
    now: int,
) -> str:
    rows = [f" {digest} {size:>10} {name}" for name, (digest, size) in sorted(sums.items())]
    until = [f"Valid-Until: {_date(now + terms.valid_days * DAY)}"] if terms.valid_days else []
    lines = (
        f"Origin: {terms.origin}",
        f"Label: {terms.origin}",
        f"Suite: {suite}",
        f"Codename: {suite}",
        f"Date: {_date(now)}",
        *until,
        "Acquire-By-Hash: yes",
        f"Architectures: {' '.join(found)}",
        f"Components: {COMPONENT}",
        f"Description: Kubernetes packages ({suite})",
        "SHA256:",
        *rows,
    )
    return "".join([f"{line.rstrip()}\n" for line in lines])


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%a, %d %b %Y %H:%M:%S UTC")
