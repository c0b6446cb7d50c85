"""Differences between two sets of packages, the most important first. Frozen values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from kubeparcel.model import Format
from kubeparcel.packages.architectures import common_name
from kubeparcel.packages.model import PackageContents
from kubeparcel.repository.package import Package


class Topic(Enum):
    """What a difference is about, in the order of importance: its name in JSON, and its title."""

    SCRIPTS = ("scripts", "Scripts")
    UNITS = ("units", "Units, as systemd reads them")
    FILES = ("files", "Files")
    ATTRIBUTES = ("attributes", "Modes, owners and links")
    CONFFILES = ("conffiles", "Conffiles")
    RELATIONS = ("relations", "Relations")
    CONTENTS = ("contents", "Contents")
    BINARIES = ("binaries", "Binaries")
    MODULES = ("modules", "Go modules")
    METADATA = ("metadata", "Metadata")
    INCIDENTAL = ("incidental", "Incidental")

    @property
    def key(self) -> str:
        return self.value[0]

    @property
    def title(self) -> str:
        return self.value[1]


class Change(NamedTuple):
    """One difference: something that only the old or the new package has, or that has another value.

    `attribute` is what has the values `old` and `new`, such as a mode; empty if the whole subject was added (`old` is
    empty) or removed (`new` is empty). `lines` are those of a unified diff.
    """

    topic: Topic
    subject: str
    attribute: str = ""
    old: str = ""
    new: str = ""
    lines: tuple[str, ...] = ()

    @property
    def action(self) -> str:
        if self.old and self.new:
            return "changed"
        return "removed" if self.old else "added"


class Name(NamedTuple):
    """What packages are paired by: name, format and upstream's name of the architecture.

    A deb that is compared with an rpm has the format `deb/rpm`.
    """

    package: str
    format: str
    arch: str


class Pair(NamedTuple):
    """A package in both sets."""

    old: Package
    new: Package

    @property
    def name(self) -> Name:
        """Return the name of both packages, with both formats if they differ."""
        formats = dict.fromkeys((str(self.old.format), str(self.new.format)))
        return Name(self.old.name, "/".join(formats), common_name(self.old.arch))


@dataclass(frozen=True)
class ContentsPair:
    """The contents of a package in both sets; `across` if one is a deb and the other an rpm."""

    name: Name
    old: PackageContents
    new: PackageContents

    @property
    def across(self) -> bool:
        return self.old.format is not self.new.format

    def path(self, path: str) -> str:
        """Return a path as it is compared: across formats, what only Debian and Red Hat name differently is equal."""
        return across_formats(path) if self.across else path


ACROSS_FORMATS: Mapping[str, str] = {"/lib/": "/usr/lib/", "/etc/sysconfig/": "/etc/default/"}
"""Folders of debs or rpms, and the folders of the other format that correspond to them."""


def across_formats(text: str) -> str:
    """Return a path, or text with one, with the folders that both formats share."""
    for own, shared in ACROSS_FORMATS.items():
        if f"{text}/".startswith(own):
            return (shared + f"{text}/".removeprefix(own)).removesuffix("/")
    return text


@dataclass(frozen=True)
class Side:
    """One of the two sets: its location, and the packages that are missing from the other set."""

    location: str
    count: int
    unpaired: tuple[Package, ...]


@dataclass(frozen=True)
class Comparison:
    """The differences between two sets; each change once, with the names of the packages that have it.

    `pairs` are the packages in both, `equal` the number of those with the same bytes.
    """

    old: Side
    new: Side
    pairs: tuple[Pair, ...]
    equal: int
    changes: Mapping[Change, Sequence[Name]]

    def listed(self, *, everything: bool) -> dict[Topic, list[Change]]:
        """Return the changes by topic, without incidental ones unless `everything`."""
        topics = [topic for topic in Topic if everything or topic is not Topic.INCIDENTAL]
        groups = {topic: [change for change in self.changes if change.topic is topic] for topic in topics}
        return {topic: changes for topic, changes in groups.items() if changes}

    def exit_code(self, *, everything: bool) -> int:
        """Return 1 if there are differences to list, else 0."""
        return int(bool(self.old.unpaired or self.new.unpaired or self.listed(everything=everything)))

    @property
    def formats(self) -> frozenset[Format]:
        return frozenset(package.format for pair in self.pairs for package in pair)
