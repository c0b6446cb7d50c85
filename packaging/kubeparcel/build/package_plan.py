"""The plan of a package: its paths, and what each of them will contain. Frozen values, complete without binaries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from kubeparcel.packages.manifest import PackageDescription


@dataclass(frozen=True)
class ComponentBinary:
    """A binary of a component, or all of its binaries if the name is empty."""

    component: str
    name: str = ""


@dataclass(frozen=True)
class TextContent:
    """The text of a file: a rendered template or literal text of the settings."""

    text: str


@dataclass(frozen=True)
class LocalFile:
    """A file of the user, copied into the package."""

    path: Path


@dataclass(frozen=True)
class Symlink:
    """A symbolic link to `target`."""

    target: str


@dataclass(frozen=True)
class OwnedDirectory:
    """A directory that the package owns."""


@dataclass(frozen=True)
class OmittedBinary:
    """One of all binaries that the user took away."""


@dataclass(frozen=True)
class ProvenanceRecord:
    """The record of where the package's binaries came from, written after they are fetched."""


@dataclass(frozen=True)
class DebugFiles:
    """The debug symbols of a package's programs, in files named by their build IDs, below the path."""

    package: tuple[FilePlan, ...]


FileContent: TypeAlias = (
    DebugFiles | ComponentBinary | TextContent | LocalFile | Symlink | OwnedDirectory | OmittedBinary | ProvenanceRecord
)


@dataclass(frozen=True)
class FilePlan:
    """A path of a package, with its mode and content; `custom` is a file of kubeparcel.yaml."""

    path: str
    mode: int
    content: FileContent
    config: bool = False
    role: str = ""
    custom: bool = False


@dataclass(frozen=True)
class PackagePlan(PackageDescription):
    """A package file to build."""

    files: tuple[FilePlan, ...]
