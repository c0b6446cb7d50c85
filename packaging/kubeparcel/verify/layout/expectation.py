"""The value that a package's contents are compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from kubeparcel.packages.manifest import ManifestFile


@dataclass(frozen=True)
class ExpectedPackage:
    """What is expected of one package.

    `files` are all that must be there; `folders` may hold any number of binaries more; below
    `free` anything may be. `programs` are those of its files that are binaries. `obsolete` are
    conffiles of another layout that it has to remove.
    `module` is the Go module of its binaries. Only when `exact` are digests, `fields` and
    `scripts` (by the format's names) known; `time` is in seconds since 1970, 0 when unknown.
    """

    name: str
    version: str
    arch: str
    files: Mapping[str, ManifestFile]
    relations: Mapping[str, frozenset[str]]
    module: str = ""
    revision: str = ""
    programs: tuple[str, ...] = ()
    binary_folders: tuple[str, ...] = ()
    unchecked_folders: tuple[str, ...] = ()
    obsolete_conffiles: tuple[str, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)
    timestamp: int = 0
    exact: bool = False

    def parent_folders(self) -> frozenset[str]:
        """The folders above its files, which a deb holds too."""
        above = (parent for path in self.files for parent in PurePosixPath(path).parents)
        return frozenset(str(parent) for parent in above)
