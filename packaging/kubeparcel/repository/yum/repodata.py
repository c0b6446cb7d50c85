"""A yum repository: primary, filelists and other under hashed names, and the repomd.xml for them.

There is no updateinfo: we do not know which package fixes what.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import zstandard

from kubeparcel.repository.apt.release import compress_gzip
from kubeparcel.repository.model import Indexes, MetadataCompression, Package, RepositoryOptions

if TYPE_CHECKING:
    from kubeparcel.repository.index_entries import IndexEntries
    from kubeparcel.repository.signing.signer import Signer

ENTRY_FILES = ("repomd.xml.key", "repomd.xml.asc", "repomd.xml")
"""What clients begin with, in the order it is put in place."""

_COMMON = "http://linux.duke.edu/metadata/common"
_RPM = "http://linux.duke.edu/metadata/rpm"
_KINDS = {
    "primary": ("metadata", f'xmlns="{_COMMON}" xmlns:rpm="{_RPM}"'),
    "filelists": ("filelists", 'xmlns="http://linux.duke.edu/metadata/filelists"'),
    "other": ("otherdata", 'xmlns="http://linux.duke.edu/metadata/other"'),
}
COMPRESS: Mapping[str, tuple[str, Callable[[bytes], bytes]]] = {
    MetadataCompression.ZSTD: (
        ".zst",
        lambda data: zstandard.ZstdCompressor(level=3).compress(data),
    ),
    MetadataCompression.GZIP: (".gz", compress_gzip),
}


class _Made(NamedTuple):
    kind: str
    name: str
    data: bytes
    sha256: str
    open_sha256: str
    open_size: int


def index_folder(suite: str) -> str:
    """Where a suite's metadata is."""
    return f"yum/{suite}/repodata"


def index_texts(rpms: Sequence[Package], said: IndexEntries) -> dict[str, bytes]:
    """Each kind of metadata, of sorted rpms."""
    rows = [said.rpms[p.sha256] for p in rpms]
    return {
        kind: "".join((_head(kind, len(rows)), *[row[at] for row in rows], _foot(kind))).encode()
        for at, kind in enumerate(_KINDS)
    }


def build_indexes(
    suite: str, texts: Mapping[str, bytes], terms: RepositoryOptions, now: int
) -> Indexes:
    """Make the metadata of a suite from its texts; `now` is in seconds since 1970."""
    with ThreadPoolExecutor(2) as pool:
        jobs = [
            pool.submit(_make, kind, text, terms.metadata_compression)
            for kind, text in texts.items()
        ]
        made = [job.result() for job in jobs]
    hashed = {one.name: one.data for one in made}
    return Indexes(index_folder(suite), {}, hashed, _repomd(made, now), ENTRY_FILES)


def sign_entry_files(made: Indexes, signer: Signer) -> Mapping[str, bytes]:
    """The entry files: repomd.xml, its signatures and the keys to check them with."""
    return {
        "repomd.xml.key": signer.export_public_keys(armored=True),
        "repomd.xml.asc": signer.sign_detached(made.manifest),
        "repomd.xml": made.manifest,
    }


def _head(kind: str, count: int) -> str:
    root, spaces = _KINDS[kind]
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} {spaces} packages="{count}">\n'


def _foot(kind: str) -> str:
    return f"</{_KINDS[kind][0]}>\n"


def _make(kind: str, text: bytes, compression: str) -> _Made:
    suffix, pack = COMPRESS[compression]
    data = pack(text)
    digest = hashlib.sha256(data).hexdigest()
    open_digest = hashlib.sha256(text).hexdigest()
    return _Made(kind, f"{digest}-{kind}.xml{suffix}", data, digest, open_digest, len(text))


def _repomd(made: Iterable[_Made], now: int) -> bytes:
    rows = "".join(
        f'  <data type="{one.kind}">\n'
        f'    <checksum type="sha256">{one.sha256}</checksum>\n'
        f'    <open-checksum type="sha256">{one.open_sha256}</open-checksum>\n'
        f'    <location href="repodata/{one.name}"/>\n'
        f"    <timestamp>{now}</timestamp>\n"
        f"    <size>{len(one.data)}</size>\n    <open-size>{one.open_size}</open-size>\n"
        "  </data>\n"
        for one in made
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<repomd xmlns="http://linux.duke.edu/metadata/repo" xmlns:rpm="{_RPM}">\n'
        f"  <revision>{now}</revision>\n{rows}</repomd>\n"
    ).encode()
