"""The content of a repository: suites, options, and the state that records them."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from kubeparcel.errors import ConfigurationError
from kubeparcel.model import Format
from kubeparcel.repository.package import Package

DAY = 86_400

IndexKey = tuple[str, Format]
"""A suite in one format: the unit in which indexes are replaced."""

_SUITE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
_MINOR_SUITE = re.compile(r"v(\d+)\.(\d+)")

Suites = Mapping[str, frozenset[Package]]
"""The packages of each suite, by the suite's name."""


class MetadataCompression(StrEnum):
    """The compression of yum metadata; systems older than EL 8 read only gzip."""

    ZSTD = "zstd"
    GZIP = "gzip"


@dataclass(frozen=True)
class RepositoryOptions:
    """The options of a repository. They are stored in it and apply to every later task.

    `valid_days` limits the validity of apt indexes (0: no limit). `generations` is the number of
    publishes for which old indexes and retired packages are kept. `base_url` is the public URL.
    `origin` and `label` identify the repository to apt, which pins by them and asks its users when
    they change; without a label it is the origin. `description` is its title for people. `required` names
    what every package must have, separated by commas (`repository.requirements`).
    """

    origin: str = "kubeparcel"
    valid_days: int = 180
    metadata_compression: str = MetadataCompression.ZSTD
    generations: int = 5
    base_url: str = ""
    sign_rpms: bool = True
    label: str = ""
    description: str = "Kubernetes packages"
    required: str = ""


@dataclass(frozen=True)
class State:
    """The state of a repository at one moment.

    `generation` increases with each change; `identity` is a random name that never changes.
    `retained_indexes` lists, for each index folder, the by-hash files of the last generations,
    newest first. `retired_packages` are files that no suite contains any more, by path, with the
    generation that removed them; they are kept for clients with older indexes. After `renew_at`
    (Unix time) indexes are signed again even without a change. `signing_keys` are the keys of the
    last signatures as `FINGERPRINT:EXPIRY`. `side_files` are the files next to each package, by its SHA-256:
    their SHA-256 by the suffix that the package's path gets. `index_digests` are the SHA-256 of entry files by
    path. `digest` is the SHA-256 of the state file with this state, empty if there is none. `order` are the sorted
    packages of that file: sorting those of the next state by it takes a tenth of the time.
    """

    generation: int = 0
    identity: str = ""
    suites: Suites = field(default_factory=dict)
    retained_indexes: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    retired_packages: Mapping[str, tuple[int, Package]] = field(default_factory=dict)
    renew_at: int = 0
    signing_keys: tuple[str, ...] = ()
    options: RepositoryOptions = RepositoryOptions()
    side_files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    index_digests: Mapping[str, str] = field(default_factory=dict)
    digest: str = field(default="", compare=False)
    order: tuple[Package, ...] = field(default=(), compare=False, repr=False)

    @functools.cached_property
    def packages(self) -> frozenset[Package]:
        """All packages of all suites."""
        return frozenset().union(*self.suites.values())

    @functools.cached_property
    def sorted_packages(self) -> tuple[Package, ...]:
        """All packages of all suites, sorted."""
        known = [package for package in self.order if package in self.packages]
        return tuple(sorted([*known, *self.packages.difference(known)]))

    def ordered(self, packages: Set[Package]) -> Sequence[Package]:
        """Return packages of the state, sorted."""
        if 20 * len(packages) < len(self.packages):
            return sorted(packages)
        return [package for package in self.sorted_packages if package in packages]

    def with_records(self, **records: Any) -> State:
        """Return a state with the same packages, and what was derived from them, but other records."""
        state = replace(self, **records)
        derived = {name: value for name, value in vars(self).items() if name in _DERIVED}
        vars(state).update(derived)
        return state

    @property
    def stored_packages(self) -> Iterator[Package]:
        """Yield every package with a file in the repository: retired ones, then the others."""
        yield from (package for _, package in self.retired_packages.values())
        yield from self.packages

    @functools.cached_property
    def formats_by_suite(self) -> Mapping[str, frozenset[Format]]:
        """The package formats in each suite."""
        return {suite: frozenset({package.format for package in packages}) for suite, packages in self.suites.items()}

    @functools.cached_property
    def index_keys(self) -> tuple[IndexKey, ...]:
        """Every suite in each of its formats, sorted."""
        return tuple(
            (suite, format_) for suite, formats in sorted(self.formats_by_suite.items()) for format_ in sorted(formats)
        )

    def files_about(self, package: Package) -> Mapping[str, str]:
        """Return the SHA-256 of the files next to a package, by suffix."""
        return self.side_files.get(package.sha256, {})

    def side_paths(self, path: str, package: Package) -> Iterator[tuple[str, str]]:
        """Yield path and SHA-256 of each file next to a package file at `path`."""
        for suffix, sha256 in self.files_about(package).items():
            yield f"{path}{suffix}", sha256

    @functools.cached_property
    def packages_by_path(self) -> dict[str, Package]:
        """The package files of all suites by their path in the repository; almost sorted."""
        paths = {f"apt/{package.path}": package for package in self.sorted_packages if package.format is Format.DEB}
        for suite, packages in self.suites.items():
            if Format.RPM in self.formats_by_suite[suite]:
                paths |= {p.repository_path(suite): p for p in self.ordered(packages) if p.format is Format.RPM}
        return paths

    @property
    def stored_by_path(self) -> dict[str, Package]:
        """The package files in the repository by path: retired ones, and those of all suites."""
        return {path: package for path, (_, package) in self.retired_packages.items()} | self.packages_by_path

    @functools.cached_property
    def paths_by_digest(self) -> dict[str, str]:
        """A path of each package in a suite, by the package's SHA-256."""
        return {package.sha256: path for path, package in self.packages_by_path.items()}


_DERIVED = ("packages", "sorted_packages", "formats_by_suite", "index_keys", "packages_by_path")


@dataclass(frozen=True)
class SuiteChange:
    """The packages that a change adds to a suite and removes from it."""

    suite: str
    added: tuple[Package, ...]
    removed: tuple[Package, ...]


def compare_suites(before: State, after: State) -> tuple[SuiteChange, ...]:
    """Return the changes between the suites of two states, sorted by suite name."""
    changes = []
    for name in sorted({*before.suites, *after.suites}):
        old, new = before.suites.get(name, frozenset()), after.suites.get(name, frozenset())
        if old != new or (name in before.suites) != (name in after.suites):
            changes.append(SuiteChange(name, tuple(after.ordered(new - old)), tuple(before.ordered(old - new))))
    return tuple(changes)


def validate_suite_name(name: str) -> str:
    """Return the name of a suite, which is also a folder name. Raises ConfigurationError."""
    if not _SUITE_NAME.fullmatch(name) or ".." in name:
        raise ConfigurationError(
            f"Invalid suite name {name!r}.", "Use up to 64 letters, digits and . _ + -, such as v1.36 or stable."
        )
    return name


def minor_of_suite(name: str) -> tuple[int, int] | None:
    """Return the minor version of Kubernetes that a suite such as `v1.36` is for; None for other suites."""
    match = _MINOR_SUITE.fullmatch(name)
    return (int(match[1]), int(match[2])) if match else None


def index_folder(key: IndexKey) -> str:
    """Return the folder of the indexes of a suite in one format."""
    suite, format_ = key
    return f"apt/dists/{suite}" if format_ is Format.DEB else f"yum/{suite}/repodata"


@dataclass(frozen=True)
class Indexes:
    """The indexes of a suite in one format.

    `files` have the names that clients know, `by_hash` have names that contain their digest.
    `manifest` is the content of Release or repomd.xml, which lists the digests of all others.
    `entry_files` are the manifest and its signatures, in the order in which they are replaced; empty if unsigned.
    """

    folder: str
    files: Mapping[str, bytes]
    by_hash: Mapping[str, bytes]
    manifest: bytes
    entry_files: Mapping[str, bytes] = field(default_factory=dict)
