"""The layout level: finished packages are read back, and checked without installing anything."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from .. import catalog as catalogs
from ..assemble import Made
from ..errors import KubeparcelError, UsageError
from ..log import Log, duration
from ..model import Format, Version
from ..store import Store
from . import memory
from .report import Check, Finding, Packaged, Report

if TYPE_CHECKING:
    from ..catalog import Catalog
    from ..contents import Contents
    from .expectation import Expected

LEVEL = "layout"
READABLE = "readable"
"""The check that a file is a whole package: without it, no other can be made."""

Set: TypeAlias = tuple[Format, str]
"""Packages that may be on one host together: a format, and an architecture by its name there."""

Holders: TypeAlias = Mapping[Set, Mapping[str, frozenset[str]]]
"""For each set and path, the packages that hold it."""


def check_made(
    made: Sequence[Made], store: Store, log: Log, reading: Reading | None = None
) -> Report:
    """Check packages just made against all that is known of them; say the outcome in the log.

    What passed once is remembered in the store with its checks, and not read again.
    """
    started = time.monotonic()
    holders = _holders(
        (one.package.format, one.package.arch_name, one.package.name, file.path)
        for one in made
        for file in one.package.files
        if file.kind != "dir"
    )
    keys = [memory.key(one, _neighbours(one, holders)) for one in made]
    known = [
        memory.recall(store, key, one.package.file_name)
        for one, key in zip(made, keys, strict=True)
    ]
    todo = [one for one, checks in zip(made, known, strict=True) if not checks]
    with nullcontext(reading) if reading else Reading() as readers:
        fresh = iter(_check_fresh(todo, store, holders, readers))
    checks: list[Check] = []
    for key, remembered in zip(keys, known, strict=True):
        found = remembered or next(fresh)
        if not remembered:
            memory.remember(store, key, found)
        checks += found
    report = Report(LEVEL, tuple(checks), time.monotonic() - started)
    _tell(report, log)
    return report


def _tell(report: Report, log: Log) -> None:
    if report.passed:
        log.say("Check", f"{report.summary} · {duration(report.seconds)}")
    else:
        log.warn(f"the packages are not as they should be: {report.summary}\n{report.as_text()}")


def _neighbours(one: Made, holders: Holders) -> set[str]:
    """What the set adds to a package: whether there are others, and the paths they share."""
    paths = holders[one.package.format, one.package.arch_name]
    mine = {file.path for file in one.package.files}
    shared = {
        f"{path} {sorted(names)}"
        for path, names in paths.items()
        if len(names) > 1 and path in mine
    }
    alone = {name for names in paths.values() for name in names} == {one.package.name}
    return shared | ({"alone"} if alone else set())


def _check_fresh(
    made: Sequence[Made], store: Store, holders: Holders, reading: Reading
) -> list[tuple[Check, ...]]:
    if not made:
        return []
    from .expected import of_package

    catalog = catalogs.load()
    found = reading.all([store.path(one.sha256) for one in made])
    return [
        _check(contents, one.package.file_name, of_package(one.package, catalog), catalog, holders)
        for one, contents in zip(made, found, strict=True)
    ]


def check_paths(paths: Sequence[Path], catalog: Catalog | None = None) -> Report:
    """Check package files, and those in folders, ours or anyone's, against the catalog.

    `catalog` is ours unless given: one with the user's packages knows those too. Raises
    UsageError when a path does not exist, or no package is anywhere.
    """
    from .expected import by_catalog

    started = time.monotonic()
    files = packages(paths)
    rows = catalog or catalogs.load()
    with Reading() as reading:
        found = reading.all(files)
    whole = [one for one in found if not isinstance(one, KubeparcelError)]
    holders = _holders(
        (one.format, one.arch, one.name, entry.path)
        for one in whole
        for entry in one.entries
        if entry.kind != "dir"
    )
    kubernetes = _kubernetes(whole, rows)
    checks: list[Check] = []
    for file, one in zip(files, found, strict=True):
        whole_one = None if isinstance(one, KubeparcelError) else one
        expected = by_catalog(whole_one, rows, kubernetes) if whole_one else None
        checks += _check(one, _shown(file), expected, rows, holders)
    took = time.monotonic() - started
    return Report(LEVEL, tuple(checks), took, packages=tuple(_packaged(one) for one in whole))


def _packaged(one: Contents) -> Packaged:
    version = f"{one.version}-{one.revision}" if one.revision else one.version
    return Packaged(_shown(one.file), one.name, version, one.arch, str(one.format))


def packages(paths: Sequence[Path]) -> list[Path]:
    """The package files that are meant: those named, and all in the folders that are named."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(p for f in Format for p in path.rglob(f"*.{f}") if p.is_file())
        elif path.exists():
            found.append(path)
        else:
            raise UsageError(
                f"{path}: there is no such file or folder.", "Give packages, or folders."
            )
    if not found:
        places = ", ".join(str(path) for path in paths)
        endings = " or ".join(f"*.{f}" for f in Format)
        raise UsageError(
            f"There are no packages ({endings}) in {places}.",
            "Make some with build, or name a folder that has them.",
        )
    return list(dict.fromkeys(found))


def _shown(file: Path) -> str:
    """The name people know a file by: as seen from where they stand."""
    here = Path.cwd()
    return str(file.relative_to(here)) if file.is_relative_to(here) else str(file)


class Reading:
    """Packages that are read, some at a time; who asks for one waits for it.

    Leaving the block drops what nobody asked for.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(min(4, os.cpu_count() or 1), "reading")
        self._found: dict[Path, Future[Contents | KubeparcelError]] = {}

    def __enter__(self) -> Reading:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def begin(self, file: Path) -> None:
        """Read a file when there is time."""
        if file not in self._found:
            self._found[file] = self._pool.submit(_contents, file)

    def all(self, files: Sequence[Path]) -> list[Contents | KubeparcelError]:
        """The contents of files in their order, or why one cannot be read."""
        for file in files:
            self.begin(file)
        return [self._found[file].result() for file in files]


def _contents(file: Path) -> Contents | KubeparcelError:
    from .. import contents

    try:
        return contents.read(file)
    except KubeparcelError as error:
        return error


def _check(
    found: Contents | KubeparcelError,
    name: str,
    expected: Expected | None,
    catalog: Catalog,
    holders: Holders,
) -> tuple[Check, ...]:
    from .checks import check
    from .expected import Places
    from .subject import Subject

    meaning = "the file is a whole package"
    if isinstance(found, KubeparcelError):
        fault = Finding("a whole package", found.what, look=found.todo)
        return (Check(READABLE, name, 0, meaning, (fault,)),)
    owners = holders.get((found.format, found.arch), {})
    subject = Subject(name, found, expected, Places.of(catalog, found.format), owners)
    return (Check(READABLE, name, 0, meaning), *check(subject))


def _holders(rows: Iterable[tuple[Format, str, str, str]]) -> Holders:
    found: dict[Set, dict[str, frozenset[str]]] = {}
    for format_, arch, name, path in rows:
        paths = found.setdefault((format_, arch), {})
        paths[path] = paths.get(path, frozenset()) | {name}
    return found


def _kubernetes(found: Sequence[Contents], catalog: Catalog) -> Version | None:
    """The newest Kubernetes among the packages: those whose component has no versions beside it."""
    from .expected import upstream_version

    versions = []
    for one in found:
        spec = catalog.packages.get(one.name)
        component = catalog.components.get(spec.component) if spec else None
        if component and not component.pairs and (version := upstream_version(one)):
            versions.append(version)
    return max(versions, default=None)
