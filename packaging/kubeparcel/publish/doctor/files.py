"""Examines package files: there, of the promised size and digest, and what the index says."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from ...model import Format
from .. import debfile, rpmfile
from ..broken import Malformed
from ..storage import Reader
from ..values import Package
from .finding import Examined, Kind

Further = Callable[[Package, bytes, Examined], None]


def examine(reader: Reader, base: str, examined: Examined, further: Further | None = None) -> None:
    """Examine all files of a suite; `further` sees the bytes of each that is sound."""
    examined.look(Kind.FILES, Kind.INSIDE)
    with ThreadPoolExecutor(2) as pool:
        rows = sorted(examined.packages)
        jobs = [(p, f"{base}/{p.path}".lstrip("/")) for p in rows]
        for (package, path), data in zip(jobs, _read(pool, reader, jobs), strict=True):
            if _sound(package, path, data, examined) and data is not None:
                _inside(package, path, data, examined)
                if further:
                    further(package, data, examined)


def _read(
    pool: ThreadPoolExecutor, reader: Reader, jobs: list[tuple[Package, str]]
) -> Iterator[bytes | None]:
    """Two files at a time, so that memory does not grow with the repository."""
    for at in range(0, len(jobs), 2):
        yield from pool.map(lambda job: reader.read(job[1]), jobs[at : at + 2])


def _sound(package: Package, path: str, data: bytes | None, examined: Examined) -> bool:
    if data is None:
        examined.fault(Kind.FILES, package.label, "there is no such file", path)
    elif len(data) != package.size:
        examined.fault(Kind.FILES, f"{package.size:,} bytes", f"{len(data):,} bytes", path)
    elif (found := hashlib.sha256(data).hexdigest()) != package.sha256:
        examined.fault(Kind.FILES, f"sha256 {package.sha256}", found, path)
    else:
        return True
    return False


def _inside(package: Package, path: str, data: bytes, examined: Examined) -> None:
    """Compare what the file says of itself with what the index says."""
    try:
        if package.format is Format.DEB:
            fields = debfile.fields(debfile.control(data, len(data)))
            identity, needs = debfile.checked(fields), debfile.needs(fields)
        else:
            main = rpmfile.headers(data, len(data)).main
            identity, needs = rpmfile.checked(main), rpmfile.needs(main)
    except Malformed as error:
        examined.fault(Kind.INSIDE, "a whole package", str(error), path)
        return
    if identity != package.id[1:]:
        examined.fault(Kind.INSIDE, package.label, " ".join(identity), path)
    elif needs != package.needs and package.format is Format.DEB:
        examined.fault(Kind.INSIDE, f"Depends: {package.needs}", needs or "none", path)
