"""What a repository holds: packages, suites, and the state that says which is in which."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from kubeparcel.errors import ConfigurationError
from kubeparcel.model import Format

SUITE_NAME_RULE = "name of a suite: letters, digits and . _ + - are fine, as in v1.36 or stable"
DAY = 86_400
_SUITE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")


class Package(NamedTuple):
    """One published package file; a tuple, because a repository may have ten thousand.

    `version` is the format's whole one, with revision and epoch. `sha256` and `size` (bytes) are
    of the file as published. `content` is a digest that signing does not change: of an rpm's main
    header, of a whole deb. `needs` are its relations to other packages as debs write them.
    `path` is the file's place: below `apt/` for debs, below each suite's folder for rpms.
    """

    format: Format
    name: str
    version: str
    arch: str
    sha256: str
    size: int
    content_digest: str
    dependencies: str
    path: str

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What there can be only one file of."""
        return (self.format, self.name, self.version, self.arch)

    def repository_path(self, suite: str) -> str:
        """Where the file is in the repository; debs are shared by all suites."""
        return f"apt/{self.path}" if self.format is Format.DEB else f"yum/{suite}/{self.path}"

    @property
    def label(self) -> str:
        """What a person calls it: `kubelet 1.36.3-1 amd64 (deb)`."""
        return f"{self.name} {self.version} {self.arch} ({self.format})"


Suites = Mapping[str, frozenset[Package]]


class MetadataCompression(StrEnum):
    """How yum's metadata is packed: systems older than EL 8 know only gzip."""

    ZSTD = "zstd"
    GZIP = "gzip"


@dataclass(frozen=True)
class RepositoryOptions:
    """What a repository promises and how it is made; kept in it, so that every task knows.

    `valid` is how many days indexes are good for, 0 for ever. `metadata` is yum's compression,
    `generations` how many publishes a client may be behind. `address` is the public URL.
    """

    origin: str = "kubeparcel"
    valid_days: int = 180
    metadata_compression: str = MetadataCompression.ZSTD
    generations: int = 5
    base_url: str = ""
    sign_rpms: bool = True


@dataclass(frozen=True)
class State:
    """All that a repository holds at one moment.

    `generation` grows with each change, `identity` is the repository's own for ever. `kept` has,
    for each folder of indexes, the hashed files of the last generations, newest first; `gone` has
    package files that are in no suite any more, by place, with the generation that dropped them:
    they stay for clients that are behind. From `renew` on (seconds since 1970) indexes are signed
    anew although nothing changed; `signers` are the keys that signed last, with their expiry.
    `filed` says that the repository's state file has just this; `rows` are the packages it has,
    in their order, and `text` is all of it: to sort and write them again takes long.
    """

    generation: int = 0
    identity: str = ""
    suites: Suites = dataclasses.field(default_factory=dict)
    retained_indexes: Mapping[str, tuple[tuple[str, ...], ...]] = dataclasses.field(
        default_factory=dict
    )
    retired_packages: Mapping[str, tuple[int, Package]] = dataclasses.field(default_factory=dict)
    renew_at: int = 0
    signing_keys: tuple[str, ...] = ()
    options: RepositoryOptions = RepositoryOptions()
    persisted: bool = dataclasses.field(default=False, compare=False)
    rows: Sequence[Package] = dataclasses.field(default=(), compare=False)
    text: str = dataclasses.field(default="", compare=False)

    @functools.cached_property
    def packages(self) -> frozenset[Package]:
        """All packages of all suites."""
        return frozenset().union(*self.suites.values())

    @functools.cached_property
    def sorted_packages(self) -> tuple[Package, ...]:
        """The same, sorted."""
        known = [*filter(self.packages.__contains__, self.rows)]
        new = self.packages.difference(known) if len(known) < len(self.packages) else ()
        return _sorted((*known, *new))

    @property
    def stored_packages(self) -> Iterator[Package]:
        """All packages whose files are there: those that are on their way out come first."""
        yield from (package for _, package in self.retired_packages.values())
        yield from self.packages

    @functools.cached_property
    def formats_by_suite(self) -> Mapping[str, frozenset[Format]]:
        """The formats that there are in each suite."""
        return {suite: frozenset(p.format for p in held) for suite, held in self.suites.items()}

    @functools.cached_property
    def packages_by_path(self) -> dict[str, Package]:
        """The package files clients find, by their place in the repository."""
        return {p.repository_path(suite): p for suite, held in self.suites.items() for p in held}


@dataclass(frozen=True)
class SuiteChange:
    """What a change adds to a suite and takes from it."""

    suite: str
    added: tuple[Package, ...]
    removed: tuple[Package, ...]


def compare_suites(before: Suites, after: Suites) -> tuple[SuiteChange, ...]:
    """The suites that differ, by name."""
    found = []
    for name in sorted({*before, *after}):
        old, new = before.get(name, frozenset()), after.get(name, frozenset())
        if old != new or (name in before) != (name in after):
            found.append(SuiteChange(name, _sorted(new - old), _sorted(old - new)))
    return tuple(found)


def _sorted(packages: Iterable[Package]) -> tuple[Package, ...]:
    return tuple(sorted(packages))


def validate_suite_name(text: str) -> str:
    """The name of a suite, checked; it becomes a folder's name. Raises ConfigurationError."""
    if not _SUITE.fullmatch(text) or ".." in text:
        raise ConfigurationError(
            f"{text!r} cannot be the {SUITE_NAME_RULE.partition(':')[0]}.", SUITE_NAME_RULE
        )
    return text


@dataclass(frozen=True)
class Indexes:
    """The indexes of a suite in one format, before they are signed.

    `files` go by the names clients know, `hashed` by names with a digest in them; `entry` is the
    text that vouches for all of them. `last` are the entry files in the order they appear in.
    """

    folder: str
    files: Mapping[str, bytes]
    by_hash: Mapping[str, bytes]
    manifest: bytes
    entry_files: tuple[str, ...]
