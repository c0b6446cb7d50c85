"""The state of a repository: from its state file, else from what is published."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress

from ..log import Log
from ..model import Format
from . import apt, debfile, incoming, rpmfile, statefile, unpacking, xml, yum
from .broken import Malformed
from .given import package_of
from .memory import Memory, Seen
from .statefile import Damaged
from .storage import Storage
from .values import Package, State, Suites

_HEAD = 1 << 18
_DATA = re.compile(r'<data type="primary">.*?<location href="([^"]+)"', re.DOTALL)
_PLACE = re.compile(
    r'<checksum type="sha256" pkgid="YES">([0-9a-f]{64})<.*?<size package="(\d+)".*?'
    r'<location href="([^"]+)"',
    re.DOTALL,
)


def load(storage: Storage, memory: Memory, log: Log) -> State:
    """The state; an empty one for a repository that is not there yet.

    Raises ConfigurationError when a newer kubeparcel wrote it.
    """
    try:
        state = statefile.load(storage)
    except Damaged as error:
        log.warn(f"{error.what} It is made anew from what is published.")
        return _published(storage, memory)
    if state is None:
        state = _published(storage, memory)
        if state.suites:
            log.warn(f"{storage.where} has no state file: it is made anew from what is published.")
    return state


def _published(storage: Storage, memory: Memory) -> State:
    suites: dict[str, set[Package]] = {}
    kept: dict[str, tuple[tuple[str, ...], ...]] = {}
    for path in storage.sizes("apt/dists"):
        suite, _, name = path.removeprefix("apt/dists/").partition("/")
        if name.endswith("/Packages.gz"):
            found = suites.setdefault(suite, set())
            found |= set(_debs(storage.read(path) or b""))
    for path in storage.sizes("yum"):
        if path.endswith("/repodata/repomd.xml"):
            suite = path.split("/")[1]
            suites.setdefault(suite, set()).update(_rpms(storage, suite, memory))
    for suite in suites:
        for folder in (apt.folder(suite), yum.folder(suite)):
            names = (path.removeprefix(f"{folder}/") for path in storage.sizes(folder))
            kept[folder] = (tuple(sorted(n for n in names if _hashed(n))),)
    held = {name: frozenset(packages) for name, packages in suites.items() if packages}
    if not held:
        return State()
    number = max(statefile.history(storage), default=0) + 1
    return State(number, suites=held, kept=kept, gone=_left(storage, held, number))


def _left(storage: Storage, suites: Suites, number: int) -> dict[str, tuple[int, Package]]:
    """Package files that no index names: clients that are behind may still ask for them."""
    named = {p.place(suite) for suite, held in suites.items() for p in held}
    found: dict[str, tuple[int, Package]] = {}
    for path in (*storage.sizes("apt/pool"), *storage.sizes("yum")):
        if path.endswith((".deb", ".rpm")) and path not in named:
            data = storage.read(path) or b""
            read = incoming.deb if path.endswith(".deb") else incoming.rpm
            digest = hashlib.sha256(data).hexdigest()
            with suppress(Malformed):
                facts = read(data, len(data), digest, Seen(path, 0, 0, "")).facts
                found[path] = (number, package_of(facts))
    return found


def _hashed(name: str) -> bool:
    return "/by-hash/" in name or bool(re.match(r"[0-9a-f]{64}-", name))


def _debs(packed: bytes) -> Iterator[Package]:
    text = unpacking.unpack("x.gz", packed).decode("utf-8", "replace")
    for stanza in text.split("\n\n"):
        found = debfile.fields(stanza)
        if "package" in found:
            name, version, arch = debfile.checked(found)
            sha256, size = found["sha256"], int(found["size"])
            needs = debfile.needs(found)
            path = found["filename"]
            yield Package(Format.DEB, name, version, arch, sha256, size, sha256, needs, path)


def _rpms(storage: Storage, suite: str, memory: Memory) -> Iterator[Package]:
    """The rpms of a yum repository; their headers are read again, because the index lacks some."""
    repomd = (storage.read(f"yum/{suite}/repodata/repomd.xml") or b"").decode()
    match = _DATA.search(repomd)
    if match is None:
        return
    packed = storage.read(f"yum/{suite}/{match[1]}") or b""
    primary = unpacking.unpack(match[1], packed).decode("utf-8", "replace")
    for sha256, size, href in _PLACE.findall(primary):
        place = xml.plain(href)
        head = storage.read(f"yum/{suite}/{place}", _HEAD) or b""
        if rpmfile.need(head) > len(head):
            head = storage.read(f"yum/{suite}/{place}", rpmfile.need(head)) or b""
        read = incoming.rpm(head, int(size), sha256, Seen(place, 0, 0, ""))
        memory.note([read.facts], {sha256: read.pieces})
        yield package_of(read.facts)._replace(path=place)
