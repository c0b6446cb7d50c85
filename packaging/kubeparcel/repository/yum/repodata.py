"""The metadata of a yum repository: primary, filelists and other, listed in repomd.xml."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import zstandard

from kubeparcel.model import Format
from kubeparcel.repository.apt.release import compress_gzip
from kubeparcel.repository.model import Indexes, MetadataCompression, RepositoryOptions, index_folder
from kubeparcel.repository.package import Package

if TYPE_CHECKING:
    from kubeparcel.repository.package_cache import LoadParts
    from kubeparcel.repository.signing.signer import Signer

ENTRY_FILES: tuple[str, ...] = ("repomd.xml.key", "repomd.xml.asc", "repomd.xml")
"""The files that clients read first, in the order in which they are replaced."""

_COMMON = "http://linux.duke.edu/metadata/common"
_RPM = "http://linux.duke.edu/metadata/rpm"
_ROOT_ELEMENTS = {
    "primary": ("metadata", f'xmlns="{_COMMON}" xmlns:rpm="{_RPM}"'),
    "filelists": ("filelists", 'xmlns="http://linux.duke.edu/metadata/filelists"'),
    "other": ("otherdata", 'xmlns="http://linux.duke.edu/metadata/other"'),
}
"""The root element and namespaces of each file, in the order of IndexEntry's fields."""

_COMPRESSORS: Mapping[str, tuple[str, Callable[[bytes], bytes]]] = {
    MetadataCompression.ZSTD: (".zst", lambda data: zstandard.ZstdCompressor(level=3).compress(data)),
    MetadataCompression.GZIP: (".gz", compress_gzip),
}


class _MetadataFile(NamedTuple):
    kind: str
    name: str
    data: bytes
    sha256: str
    open_sha256: str
    open_size: int


def index_texts(packages: Sequence[Package], load: LoadParts) -> dict[str, bytes]:
    """Return the XML of primary, filelists and other; `packages` are sorted."""
    texts = {kind: io.BytesIO() for kind in _ROOT_ELEMENTS}
    for text, (root, namespaces) in zip(texts.values(), _ROOT_ELEMENTS.values(), strict=True):
        start = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} {namespaces} packages="{len(packages)}">\n'
        text.write(start.encode())
    for part in load("", packages, ""):
        for text, content in zip(texts.values(), part, strict=True):
            text.write(content.encode())
    for kind, text in texts.items():
        text.write(f"</{_ROOT_ELEMENTS[kind][0]}>\n".encode())
    return {kind: text.getvalue() for kind, text in texts.items()}


def build_indexes(suite: str, texts: Mapping[str, bytes], options: RepositoryOptions, now: int) -> Indexes:
    """Compress the metadata of a suite and list it in repomd.xml; `now` is in Unix time."""
    suffix, compress = _COMPRESSORS[options.metadata_compression]

    def build(kind: str, text: bytes) -> _MetadataFile:
        data = compress(text)
        digest = hashlib.sha256(data).hexdigest()
        open_digest = hashlib.sha256(text).hexdigest()
        name = f"{digest}-{kind}.xml{suffix}"
        return _MetadataFile(kind, name, data, digest, open_digest, len(text))

    with ThreadPoolExecutor(2) as threads:
        files = list(threads.map(build, texts.keys(), texts.values()))
    by_hash = {file.name: file.data for file in files}
    return Indexes(index_folder((suite, Format.RPM)), {}, by_hash, _repomd(files, now))


def sign(indexes: Indexes, signer: Signer) -> Indexes:
    """Return the indexes with the keys to verify repomd.xml, its signature, and itself."""
    keys, signature = signer.export_public_keys(armored=True), signer.sign_detached(indexes.manifest)
    return replace(indexes, entry_files=dict(zip(ENTRY_FILES, (keys, signature, indexes.manifest), strict=True)))


def _repomd(files: Iterable[_MetadataFile], now: int) -> bytes:
    data = "".join(
        f'  <data type="{file.kind}">\n'
        f'    <checksum type="sha256">{file.sha256}</checksum>\n'
        f'    <open-checksum type="sha256">{file.open_sha256}</open-checksum>\n'
        f'    <location href="repodata/{file.name}"/>\n'
        f"    <timestamp>{now}</timestamp>\n"
        f"    <size>{len(file.data)}</size>\n    <open-size>{file.open_size}</open-size>\n"
        "  </data>\n"
        for file in files
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<repomd xmlns="http://linux.duke.edu/metadata/repo" xmlns:rpm="{_RPM}">\n'
        f"  <revision>{now}</revision>\n{data}</repomd>\n"
    ).encode()
