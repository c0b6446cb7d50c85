"""What only shows between suites: closure, files nobody names, debs and rpms that differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ...model import Format
from .. import gate
from ..ours import family
from ..storage import OWN, Reader
from ..values import Package
from .finding import Examined, Kind
from .search import Found

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "ppc64le": "ppc64el", "noarch": "all"}


def closure(examined: Examined) -> None:
    """Note what our packages in a suite need and do not find."""
    examined.look(Kind.CLOSURE)
    ours = family().names | {p.name for p in examined.packages}
    for text in gate.missing(examined.packages, examined.packages, ours):
        examined.fault(Kind.CLOSURE, "everything that is needed", text)


def orphans(
    reader: Reader, found: Found, apts: Sequence[Examined], yums: Sequence[Examined]
) -> Iterator[Examined]:
    """Package files that no index names; those a kept generation still has are none."""
    for one in (*apts, *yums):
        closure(one)
    kept = _kept(reader)
    named = set().union(*(one.names for one in (*apts, *yums)), kept)
    bases = {f"{suite.base}/pool".lstrip("/") for suite in found.suites}
    bases |= {base for base in found.yums if base}
    for base in sorted(bases):
        paths = reader.sizes(base)
        if paths is None:
            continue
        one = Examined(base)
        one.look(Kind.ORPHANS)
        for path in sorted(set(paths) - named):
            if path.endswith((".deb", ".rpm", ".part", ".tmp")):
                one.fault(Kind.ORPHANS, "only files that an index names", "no index names it", path)
        yield one


def _kept(reader: Reader) -> set[str]:
    """What our own state says is kept for clients that are behind."""
    from ...errors import KubeparcelError
    from .. import statefile

    data = reader.read(f"{OWN}/state.json")
    if data is None:
        return set()
    try:
        return set(statefile.parse(data, reader.where).gone)
    except KubeparcelError:
        return set()


def formats(apts: Sequence[Examined], yums: Sequence[Examined]) -> Iterator[Examined]:
    """Suites of the same name that do not have the same packages as deb and rpm."""
    by_name = {one.subject.partition(" ")[2]: one for one in yums}
    for apt in apts:
        name = apt.subject.partition(" ")[2]
        yum = by_name.get(name)
        if yum is None or not apt.packages or not yum.packages:
            continue
        both = Examined(f"apt and yum {name}")
        both.look(Kind.FORMATS)
        debs, rpms = set(_plain(apt.packages)), set(_plain(yum.packages))
        for label in sorted(debs - rpms):
            both.fault(Kind.FORMATS, "an rpm too", f"{label} is there only as deb")
        for label in sorted(rpms - debs):
            both.fault(Kind.FORMATS, "a deb too", f"{label} is there only as rpm")
        yield both


def _plain(packages: Iterable[Package]) -> Iterator[str]:
    ours = family().names
    for p in packages:
        if p.name in ours:
            arch = p.arch if p.format is Format.DEB else _MACHINES.get(p.arch, p.arch)
            yield f"{p.name} {p.version.rpartition('-')[0]} {arch}"
