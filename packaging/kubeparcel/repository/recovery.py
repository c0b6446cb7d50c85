"""The state of a repository: from its state file, else from what is published."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress

from kubeparcel.console import Log
from kubeparcel.model import Format
from kubeparcel.packages import index_compression
from kubeparcel.packages.broken import Malformed
from kubeparcel.packages.deb import deb_metadata
from kubeparcel.packages.rpm import rpm_metadata
from kubeparcel.repository import state_file
from kubeparcel.repository.apt import release
from kubeparcel.repository.candidates import read as incoming
from kubeparcel.repository.candidates.match import package_of
from kubeparcel.repository.model import Package, State, Suites
from kubeparcel.repository.package_cache import FileStamp, PackageCache
from kubeparcel.repository.state_file import StateFileError
from kubeparcel.repository.storage.base import Storage
from kubeparcel.repository.yum import repodata, xml_text

_HEAD = 1 << 18
_DATA = re.compile(r'<data type="primary">.*?<location href="([^"]+)"', re.DOTALL)
_PLACE = re.compile(
    r'<checksum type="sha256" pkgid="YES">([0-9a-f]{64})<.*?<size package="(\d+)".*?'
    r'<location href="([^"]+)"',
    re.DOTALL,
)


def load_state(storage: Storage, memory: PackageCache, log: Log) -> State:
    """The state; an empty one for a repository that is not there yet.

    Raises ConfigurationError when a newer kubeparcel wrote it.
    """
    try:
        state = state_file.load(storage)
    except StateFileError as error:
        log.warn(f"{error.message} It is made anew from what is published.")
        return _published(storage, memory)
    if state is None:
        state = _published(storage, memory)
        if state.suites:
            log.warn(
                f"{storage.location} has no state file: it is made anew from what is published."
            )
    return state


def _published(storage: Storage, memory: PackageCache) -> State:
    suites: dict[str, set[Package]] = {}
    kept: dict[str, tuple[tuple[str, ...], ...]] = {}
    for path in storage.file_sizes("apt/dists"):
        suite, _, name = path.removeprefix("apt/dists/").partition("/")
        if name.endswith("/Packages.gz"):
            found = suites.setdefault(suite, set())
            found |= set(_debs(storage.read(path) or b""))
    for path in storage.file_sizes("yum"):
        if path.endswith("/repodata/repomd.xml"):
            suite = path.split("/")[1]
            suites.setdefault(suite, set()).update(_rpms(storage, suite, memory))
    for suite in suites:
        for folder in (release.index_folder(suite), repodata.index_folder(suite)):
            names = (path.removeprefix(f"{folder}/") for path in storage.file_sizes(folder))
            kept[folder] = (tuple(sorted(n for n in names if _hashed(n))),)
    held = {name: frozenset(packages) for name, packages in suites.items() if packages}
    if not held:
        return State()
    number = max(state_file.stored_generations(storage), default=0) + 1
    return State(
        number, suites=held, retained_indexes=kept, retired_packages=_left(storage, held, number)
    )


def _left(storage: Storage, suites: Suites, number: int) -> dict[str, tuple[int, Package]]:
    """Package files that no index names: clients that are behind may still ask for them."""
    named = {p.repository_path(suite) for suite, held in suites.items() for p in held}
    found: dict[str, tuple[int, Package]] = {}
    for path in (*storage.file_sizes("apt/pool"), *storage.file_sizes("yum")):
        if path.endswith((".deb", ".rpm")) and path not in named:
            data = storage.read(path) or b""
            read = incoming.deb if path.endswith(".deb") else incoming.rpm
            digest = hashlib.sha256(data).hexdigest()
            with suppress(Malformed):
                facts = read(data, len(data), digest, FileStamp(path, 0, 0, "")).facts
                found[path] = (number, package_of(facts))
    return found


def _hashed(name: str) -> bool:
    return "/by-hash/" in name or bool(re.match(r"[0-9a-f]{64}-", name))


def _debs(packed: bytes) -> Iterator[Package]:
    text = index_compression.unpack("x.gz", packed).decode("utf-8", "replace")
    for stanza in text.split("\n\n"):
        found = deb_metadata.fields(stanza)
        if "package" in found:
            name, version, arch = deb_metadata.checked(found)
            sha256, size = found["sha256"], int(found["size"])
            needs = deb_metadata.needs(found)
            path = found["filename"]
            yield Package(Format.DEB, name, version, arch, sha256, size, sha256, needs, path)


def _rpms(storage: Storage, suite: str, memory: PackageCache) -> Iterator[Package]:
    """The rpms of a yum repository; their headers are read again, because the index lacks some."""
    repomd = (storage.read(f"yum/{suite}/repodata/repomd.xml") or b"").decode()
    match = _DATA.search(repomd)
    if match is None:
        return
    packed = storage.read(f"yum/{suite}/{match[1]}") or b""
    primary = index_compression.unpack(match[1], packed).decode("utf-8", "replace")
    for sha256, size, href in _PLACE.findall(primary):
        place = xml_text.plain(href)
        head = storage.read(f"yum/{suite}/{place}", _HEAD) or b""
        if rpm_metadata.need(head) > len(head):
            head = storage.read(f"yum/{suite}/{place}", rpm_metadata.need(head)) or b""
        read = incoming.rpm(head, int(size), sha256, FileStamp(place, 0, 0, ""))
        memory.store_packages([read.facts], {sha256: read.pieces})
        yield package_of(read.facts)._replace(path=place)
