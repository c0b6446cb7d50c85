"""Which packages of a set contain a path, and whether dpkg or rpm would install them together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeAlias

from kubeparcel.model import Format
from kubeparcel.packages.manifest import PackageManifest
from kubeparcel.packages.member_names import parent_directories
from kubeparcel.packages.model import FileType, PackageContents
from kubeparcel.packages.relations import parse_relations, satisfies

Identity: TypeAlias = tuple[Format, str, str, str]
"""A package's format, name, version and architecture."""

FILE_TYPES = {"file": FileType.FILE, "dir": FileType.DIR, "link": FileType.SYMLINK}
"""The types of a manifest's files, by their `kind`."""

_EXCLUDING_RELATIONS = ("conflicts", "replaces", "obsoletes")
_MERGED_STARTS = ("/bin", "/sbin", "/lib")
_MERGED = re.compile(r"^/(bin|sbin|lib(?:32|64|x32)?)(?=/|$)")


@dataclass(frozen=True)
class Owner:
    """A package of a set; `excludes` are the packages that it conflicts with or whose files it replaces."""

    format: Format
    name: str
    version: str
    arch: str
    excludes: tuple[str, ...]

    @property
    def identity(self) -> Identity:
        return self.format, self.name, self.version, self.arch

    def is_installed_with(self, other: Owner) -> bool:
        """Return whether a host may have both, each with all of its files."""
        return (
            self.format is other.format
            and self.name != other.name
            and (self.arch == other.arch or self.format.arch_name(None) in (self.arch, other.arch))
            and not (self._excludes(other) or other._excludes(self))
        )

    def _excludes(self, other: Owner) -> bool:
        return any(
            relation.name == other.name and satisfies(self.format, other.version, relation)
            for text in self.excludes
            for group in parse_relations(text)
            for relation in group
        )


@dataclass(frozen=True)
class PathOwner:
    """A path of a package. `content` is a file's SHA-256 or a symlink's target.

    `implied` directories are above paths of the package, and not in it.
    """

    package: Owner
    path: str
    kind: FileType
    mode: int = 0
    user: str = ""
    content: str = ""
    ghost: bool = False
    implied: bool = False

    @property
    def target(self) -> str:
        """Return the absolute path that a symlink refers to."""
        parts: list[str] = []
        for part in PurePosixPath(self.path).parent.joinpath(self.content).parts[1:]:
            parts = parts[:-1] if part == ".." else [*parts, part]
        return merged_path("/" + "/".join(parts))


def merged_path(path: str) -> str:
    """Return the path's name on systems where /bin, /sbin and /lib are links into /usr."""
    return _MERGED.sub(r"/usr/\1", path) if path.startswith(_MERGED_STARTS) else path


@dataclass(frozen=True)
class PathOwners:
    """Who owns the paths that several packages of a set have differently.

    Paths are those of systems where /usr is merged: `/usr/lib/x` for `/lib/x`. `names` are the packages of each format.
    """

    shared: Mapping[str, tuple[PathOwner, ...]]
    directories: frozenset[str]
    names: Mapping[Format, frozenset[str]]

    @classmethod
    def of(cls, paths: Iterable[PathOwner]) -> PathOwners:
        """Return the owners of the paths, and of the directories above them."""
        owners: dict[str, dict[Identity, PathOwner]] = {}
        names: dict[Format, set[str]] = {}
        packages: dict[Identity, Owner] = {}
        paths_of: dict[Identity, list[str]] = {}
        for entry in paths:
            identity = entry.package.identity
            packages[identity] = entry.package
            paths_of.setdefault(identity, []).append(entry.path)
            names.setdefault(entry.package.format, set()).add(entry.package.name)
            owners.setdefault(merged_path(entry.path), {})[identity] = entry
        for identity, package in packages.items():
            for parent in parent_directories(paths_of[identity]):
                implied = PathOwner(package, parent, FileType.DIR, implied=True)
                owners.setdefault(merged_path(parent), {}).setdefault(identity, implied)
        return cls(
            {
                path: tuple(entries.values())
                for path, entries in owners.items()
                if len(entries) > 1 and _differ(entries.values())
            },
            frozenset(p for p, entries in owners.items() if any(e.kind is FileType.DIR for e in entries.values())),
            {format_: frozenset(members) for format_, members in names.items()},
        )

    def clashes(self, path: str, package: Identity) -> tuple[PathOwner, ...]:
        """Return what dpkg or rpm would not accept together with a package's path."""
        entries = self.shared.get(merged_path(path), ())
        return tuple(
            other
            for entry in entries
            if entry.package.identity == package
            for other in entries
            if entry.package.is_installed_with(other.package) and _clash(entry, other, self.directories)
        )


def _differ(entries: Iterable[PathOwner]) -> bool:
    """Return whether packages of several names have the path, and not all as the same directory."""
    first, *others = entries
    kinds = {entry.kind for entry in (first, *others)}
    modes = {(e.mode, e.user) for e in (first, *others) if not e.implied and e.package.format is Format.RPM}
    several = any(other.package.name != first.package.name for other in others)
    return several and (kinds != {FileType.DIR} or len(modes) > 1)


def _owner(contents: PackageContents) -> Owner:
    return Owner(contents.format, contents.name, contents.full_version, contents.arch, _excluded(contents.relations))


def contents_paths(contents: PackageContents) -> Iterator[PathOwner]:
    """Yield the paths of a package that was read."""
    owner = _owner(contents)
    for entry in contents.entries:
        kind = FileType.FILE if entry.kind is FileType.HARDLINK else entry.kind
        content = entry.target if kind is FileType.SYMLINK else entry.sha256
        user = f"{entry.owner}:{entry.group}"
        yield PathOwner(owner, entry.path, kind, entry.mode, user, content, "ghost" in entry.flags)


def manifest_paths(manifest: PackageManifest) -> Iterator[PathOwner]:
    """Yield the paths of a package that is being built."""
    version = f"{manifest.version}-{manifest.revision}"
    owner = Owner(manifest.format, manifest.name, version, manifest.arch_name, _excluded(manifest.format_relations()))
    for file in manifest.files:
        yield PathOwner(owner, file.path, FILE_TYPES[file.kind], file.mode, "root:root", file.link or file.sha256)


def _excluded(relations: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    return tuple(other for name in _EXCLUDING_RELATIONS for other in relations.get(name, ()))


def package_identity(contents: PackageContents) -> Identity:
    """Return what identifies a package that was read."""
    return _owner(contents).identity


def _clash(entry: PathOwner, other: PathOwner, directories: frozenset[str]) -> bool:
    kinds = {entry.kind, other.kind}
    if entry.implied or other.implied:
        return not kinds <= {FileType.DIR, FileType.SYMLINK}
    if entry.package.format is Format.RPM:
        return _rpm_clash(entry, other)
    return kinds != {FileType.DIR} and not _same_directory(entry, other, directories)


def _same_directory(entry: PathOwner, other: PathOwner, directories: frozenset[str]) -> bool:
    """Return whether both are the same directory, or symlinks to it.

    dpkg accepts no other combination (dpkg 1.21, archive.c: tarobject).
    """
    targets = [e.target for e in (entry, other) if e.kind is FileType.SYMLINK]
    if {entry.kind, other.kind} == {FileType.DIR, FileType.SYMLINK} or len(targets) == 2:
        return len(set(targets)) == 1 and targets[0] in directories
    return False


def _rpm_clash(entry: PathOwner, other: PathOwner) -> bool:
    """Return whether rpm reports a conflict (rpm 4.18, rpmfi.c: rpmfilesCompare).

    It accepts a path that is equal in both packages; the mode of a symlink does not count.
    """
    if entry.ghost or other.ghost:
        return False
    mode_differs = entry.mode != other.mode and entry.kind is not FileType.SYMLINK
    return mode_differs or (entry.kind, entry.user, entry.content) != (other.kind, other.user, other.content)
