"""The rows of the catalog and of the user's `packages:`, and which cannot stand together."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from kubeparcel.config.field_types import (
    Exact,
    Kubernetes,
    Layout,
    Line,
    Mode,
    Other,
    Range,
    Row,
    absolute,
)
from kubeparcel.model import Format, Version


class Limited(Row):
    """A row that holds only for some Kubernetes versions, formats or layouts (all unless said)."""

    kubernetes: Kubernetes = Range()
    formats: tuple[Format, ...] = tuple(Format)
    layouts: tuple[Layout, ...] = ()

    def holds(self, version: Version, format_: Format, layout: str) -> bool:
        """Whether the row counts for this package."""
        here = format_ in self.formats and (not self.layouts or layout in self.layouts)
        return here and self.kubernetes.covers(version)

    def clashes(self, other: Limited) -> bool:
        """Whether both rows would count for some package."""
        layouts = not self.layouts or not other.layouts or set(self.layouts) & set(other.layouts)
        formats = set(self.formats) & set(other.formats)
        return bool(layouts and formats and self.kubernetes.overlaps(other.kubernetes))

    @property
    def about(self) -> tuple[object, ...]:
        """What the row settles: of the rows about one thing, only one may hold."""
        raise NotImplementedError


class FileSpec(Limited):
    """One path of a package, made from exactly one of the fields that say what is there.

    `path` may name places of the layout, such as `{unitdir}`, and `{package}`; with `binaries` it
    is the folder for all of the component's binaries. `source` is a file of the user's own,
    relative to kubeparcel.yaml; `dir: true` is a directory that the package owns.
    """

    path: Annotated[str, AfterValidator(absolute)]
    mode: Mode | None = Field(None, description="octal; 0755 for programs and folders, else 0644")
    config: bool = Field(False, description="an administrator's edit survives upgrades")
    role: Literal["", "doc", "license"] = ""
    binary: str = ""
    binaries: bool = False
    template: str = ""
    source: str = ""
    text: str = ""
    link: str = ""
    dir: bool = False
    provenance: bool = False

    @model_validator(mode="after")
    def _made_from_one(self) -> FileSpec:
        _exactly_one(self, MADE_FROM)
        return self

    @model_validator(mode="after")
    def _only_files_are_marked(self) -> FileSpec:
        if (self.config or self.role) and (self.dir or self.link):
            raise ValueError("config and role are for files, not for folders and links")
        return self

    @property
    def about(self) -> tuple[object, ...]:
        return self.path, self.binaries

    def __str__(self) -> str:
        return self.path

    @property
    def permissions(self) -> int:
        """The mode, with the default that fits."""
        runs = self.dir or self.binary or self.binaries
        return self.mode if self.mode is not None else (0o755 if runs else 0o644)


MADE_FROM = ("binary", "binaries", "template", "source", "text", "link", "dir", "provenance")


class RelationSpec(Limited):
    """What a package says about another, in both formats' meaning: `depends: kubelet (>= 1.19.0)`.

    `{minor}`, `{next-minor}` … stand for the Kubernetes series 1.36, 1.37 …
    """

    depends: Other = ""
    recommends: Other = ""
    suggests: Other = ""
    conflicts: Other = ""
    breaks: Other = ""
    provides: Other = ""

    @model_validator(mode="after")
    def _says_one_thing(self) -> RelationSpec:
        _exactly_one(self, RELATIONS)
        return self

    @property
    def relation(self) -> str:
        """Which of the relations it is."""
        return next(name for name in RELATIONS if getattr(self, name))

    @property
    def other(self) -> str:
        """The other package, with its bound."""
        return str(getattr(self, self.relation))

    @property
    def about(self) -> tuple[object, ...]:
        """The relation, the package and the side it is bound on."""
        name, _, bound = self.other.partition(" (")
        return self.relation, name, bound[:1]

    def __str__(self) -> str:
        return f"{self.relation} {self.other}"


RELATIONS = ("depends", "recommends", "suggests", "conflicts", "breaks", "provides")


def _exactly_one(row: Row, names: Sequence[str]) -> None:
    if sum(bool(getattr(row, name)) for name in names) != 1:
        raise ValueError(f"give exactly one of {', '.join(names)}")


class ScriptSpec(Limited):
    """A scriptlet: a template and the moment it runs."""

    at: Literal["preinstall", "postinstall", "preremove", "postremove"]
    template: str

    @property
    def about(self) -> tuple[object, ...]:
        return (self.at,)

    def __str__(self) -> str:
        return self.at


class PackageSpec(Row):
    """One package: what it is called, what it says of itself, what it holds."""

    component: str = ""
    version: Exact = Field("", description="only for a package of your own: its version")
    arch: Literal["", "all"] = ""
    section: Line = "admin"
    summary: Line = ""
    description: str = ""
    license: Line = "Apache-2.0"
    homepage: Line = "https://kubernetes.io"
    files: tuple[FileSpec, ...] = ()
    relations: tuple[RelationSpec, ...] = ()
    scripts: tuple[ScriptSpec, ...] = ()

    @field_validator("files", "relations", "scripts")
    @classmethod
    def _no_two_rows_hold(cls, rows: tuple[Limited, ...]) -> tuple[Limited, ...]:
        for (i, first), (j, second) in itertools.combinations(enumerate(rows), 2):
            if first.about == second.about and first.clashes(second):
                raise ValueError(
                    f"rows {i + 1} and {j + 1} match the same versions: {first} "
                    f"({first.kubernetes}) and {second} ({second.kubernetes})"
                )
        return rows


class PairSpec(Row):
    """Which release of a component goes with a range of Kubernetes versions."""

    kubernetes: Kubernetes = Range()
    version: str


class UpstreamSpec(Row):
    """Where upstream publishes, for the component's own versions in a range."""

    versions: Kubernetes = Range()
    binary: str = Field("", description="the address of each binary")
    archive: str = Field("", description="the address of one archive with all binaries")


class GoSpec(Row):
    """How Go compiles it: the module, its main packages, and what is stamped into them.

    `staging`: the module replaces others by folders of its own repository, which are also published
    as modules of their own, v1.X.Y as v0.X.Y.
    """

    module: str
    staging: bool = False
    mains: tuple[str, ...]
    skip: tuple[str, ...] = ()
    stamps: Mapping[str, str] = {}


class ComponentSpec(Row):
    """One upstream project. `binaries` empty: as many as the release holds."""

    title: str
    binaries: tuple[str, ...] = ()
    pairs: tuple[PairSpec, ...] = ()
    upstream: tuple[UpstreamSpec, ...]
    go: GoSpec


class LayoutSpec(Row):
    """Where things go in one layout and format; `obsolete` are conffiles of the other layouts."""

    unitdir: str
    dropindir: str
    envfile: str
    zshdir: str
    obsolete: tuple[str, ...] = ()
