"""What a package file is made of: every input that decides its bytes. Frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kubeparcel.model import Arch, Format

RPM_RELATIONS: Mapping[str, str] = {"breaks": "conflicts", "replaces": "obsoletes"}
"""The names in rpms of relations that they have by another name."""


@dataclass(frozen=True)
class ManifestFile:
    """One path of a package.

    `kind` is `file`, `dir` or `link`. `role` is the file's role in an rpm, such as `license`;
    debs ignore it. `config` marks a conffile, `custom` a file of the user's configuration.
    """

    path: str
    mode: int
    kind: str = "file"
    sha256: str = ""
    link: str = ""
    config: bool = False
    role: str = ""
    custom: bool = False


@dataclass(frozen=True)
class PackageDescription:
    """A package file without its content.

    `version` is the format's own, without revision. `arch` is None for a package for all architectures. `relations` are
    pairs of a relation, such as `depends`, and a package as `name (>= 1.2)`. `time` is in seconds since 1970.
    """

    name: str
    version: str
    revision: str
    format: Format
    arch: Arch | None
    component: str
    fields: Mapping[str, str]
    relations: tuple[tuple[str, str], ...]
    scripts: Mapping[str, str]
    time: int
    compression: str

    @property
    def arch_name(self) -> str:
        """The format's name of the architecture."""
        return self.format.arch_name(self.arch)

    @property
    def file_name(self) -> str:
        """The path of the package below the output folder."""
        return f"{self.format}/{self.format.file_name(self.name, self.version, self.revision, self.arch)}"


@dataclass(frozen=True)
class PackageManifest(PackageDescription):
    """A package file with its content. `bundled` is what an rpm provides for the Go modules in its binaries."""

    files: tuple[ManifestFile, ...]
    note: str
    bundled: tuple[str, ...] = ()

    def format_relations(self) -> dict[str, list[str]]:
        """Return the other packages by relation, with the relations that the format has.

        An rpm has no `breaks`, and calls `replaces` obsoletes. It requires /bin/sh for its scripts:
        rpmbuild adds that by itself, nfpm does not.
        """
        relations: dict[str, list[str]] = {}
        for kind, other in self.relations:
            name = RPM_RELATIONS.get(kind, kind) if self.format is Format.RPM else kind
            relations.setdefault(name, []).append(other)
        if self.format is Format.RPM and self.scripts:
            relations.setdefault("depends", []).append("/bin/sh")
        return relations
