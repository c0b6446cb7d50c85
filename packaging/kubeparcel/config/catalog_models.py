"""The packages of the catalog and of the user's `packages:`, and which of their rows conflict."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema

from kubeparcel.config.field_types import (
    ExactVersion,
    FileMode,
    KubernetesRange,
    Layout,
    Paragraphs,
    Pattern,
    RelationText,
    SingleLine,
    StrictModel,
    VersionRange,
    absolute_path,
)
from kubeparcel.model import Format, Version


class Conditional(StrictModel):
    """A row that applies only to some Kubernetes versions, formats or layouts (default: all)."""

    kubernetes: KubernetesRange = Field(
        VersionRange(), description="only for these Kubernetes versions, such as >=1.28.0 <1.32.0"
    )
    formats: tuple[Format, ...] = Field(tuple(Format), description="only in these formats")
    layouts: tuple[Layout, ...] = Field((), description="only in these layouts; all if empty")

    def applies_to(self, version: Version, format_: Format, layout: str) -> bool:
        selected = format_ in self.formats and (not self.layouts or layout in self.layouts)
        return selected and self.kubernetes.contains(version)

    def overlaps(self, other: Conditional) -> bool:
        """Return whether both rows apply to the same package."""
        layouts = not self.layouts or not other.layouts or set(self.layouts) & set(other.layouts)
        formats = set(self.formats) & set(other.formats)
        return bool(layouts and formats and self.kubernetes.overlaps(other.kubernetes))

    @property
    def subject_key(self) -> tuple[object, ...]:
        """The subject of the row; of the rows with one subject, only one may apply."""
        raise NotImplementedError


class FileSpec(Conditional):
    """A path of a package, with exactly one key for its content.

    `path` may contain folders of the layout, such as `{unitdir}`, and `{package}`.
    """

    path: Annotated[str, AfterValidator(absolute_path)] = Field(
        description="absolute path in the package; with binaries the folder of all binaries"
    )
    mode: FileMode | None = Field(None, description="octal; by default 0755 for programs and folders, otherwise 0644")
    config: bool = Field(False, description="mark as configuration: local edits survive upgrades")
    role: Literal["", "doc", "license"] = Field("", description="mark as documentation or license")
    binary: Annotated[str, Pattern(r"([A-Za-z0-9][A-Za-z0-9._-]*)?", "a name like kubectl-convert")] = Field(
        "", description="content: this binary of the component"
    )
    binaries: bool = Field(False, description="content: all binaries of the component")
    template: str = Field("", description="content: a template, from the catalog or a file")
    source: str = Field("", description="content: a file, relative to kubeparcel.yaml")
    text: str = Field("", description="content: this text")
    link: SingleLine = Field("", description="a symbolic link to this target")
    dir: bool = Field(False, description="a directory that the package owns")
    parents: bool = Field(False, description="with dir: own the folders above it too, except the distribution's")
    provenance: bool = Field(False, description="content: the provenance of the binaries, as JSON")
    remove: bool = Field(False, description="remove the path from the catalog's package; it has no content")

    @model_validator(mode="after")
    def _check_content(self) -> FileSpec:
        if not self.remove:
            _exactly_one(self, CONTENT_FIELDS)
        elif any(getattr(self, name) for name in CONTENT_FIELDS):
            raise ValueError("remove: true removes the path, so it has no content")
        return self

    @model_validator(mode="after")
    def _check_marks(self) -> FileSpec:
        if (self.config or self.role) and (self.dir or self.link):
            raise ValueError("config and role are for files, not for folders and links")
        if self.parents and not self.dir:
            raise ValueError("parents is for folders: add dir: true")
        return self

    @property
    def subject_key(self) -> tuple[object, ...]:
        return self.path, self.binaries

    def __str__(self) -> str:
        return self.path

    @property
    def permissions(self) -> int:
        """The mode, or the default for the kind of file."""
        executable = self.dir or self.binary or self.binaries
        return self.mode if self.mode is not None else (0o755 if executable else 0o644)


CONTENT_FIELDS = ("binary", "binaries", "template", "source", "text", "link", "dir", "provenance")


class RelationSpec(Conditional):
    """A relation to another package, such as `depends: kubelet (>= 1.19.0)`, in both formats.

    `{minor}` is the Kubernetes minor, such as 1.36, `{next-minor}` the one after it.
    """

    depends: RelationText = Field("", description="required package, with an optional version bound")
    recommends: RelationText = Field("", description="package that is installed unless the user declines")
    suggests: RelationText = Field("", description="optional package")
    conflicts: RelationText = Field("", description="package that cannot be installed at the same time")
    breaks: RelationText = Field("", description="package that stops working, within the bound")
    replaces: RelationText = Field("", description="package whose files this one takes over; Obsoletes in rpms")
    provides: RelationText = Field("", description="virtual package that this one provides")
    remove: bool = Field(False, description="remove the relations of this kind to this package")

    @model_validator(mode="after")
    def _check_kind(self) -> RelationSpec:
        _exactly_one(self, RELATION_KINDS)
        return self

    @property
    def kind(self) -> str:
        """The name of the relation, such as `depends`."""
        return next(name for name in RELATION_KINDS if getattr(self, name))

    @property
    def text(self) -> str:
        """The other package, with its version bound."""
        return str(getattr(self, self.kind))

    @property
    def subject_key(self) -> tuple[object, ...]:
        """The relation, the package and the direction of the bound."""
        _, _, bound = self.text.partition(" (")
        return self.kind, self.name, bound[:1], self.remove

    @property
    def name(self) -> str:
        return self.text.partition(" (")[0]

    def __str__(self) -> str:
        return f"{self.kind} {self.text}"


RELATION_KINDS = ("depends", "recommends", "suggests", "conflicts", "breaks", "replaces", "provides")


def _exactly_one(row: StrictModel, names: Sequence[str]) -> None:
    if sum(bool(getattr(row, name)) for name in names) != 1:
        raise ValueError(f"expected exactly one of {', '.join(names)}")


class ScriptSpec(Conditional):
    """A script that package managers run."""

    at: Literal["preinstall", "postinstall", "preremove", "postremove"] = Field(description="when the script runs")
    template: str = Field("", description="template of the script")
    remove: bool = Field(False, description="remove the script from the catalog's package")

    @model_validator(mode="after")
    def _check_template(self) -> ScriptSpec:
        if bool(self.template) is self.remove:
            raise ValueError("expected a template, or remove: true")
        return self

    @property
    def subject_key(self) -> tuple[object, ...]:
        return (self.at,)

    def __str__(self) -> str:
        return self.at


class ServiceSpec(StrictModel):
    """What the service level expects of a package's unit, other than the kubelet's.

    `answers` are shell commands that succeed while it runs, `keeps` those that succeed after it was restarted
    as well. They need the package `client`, without which only the unit is checked.
    """

    unit: str
    client: str
    answers: tuple[str, ...]
    keeps: tuple[str, ...]


class PackageSpec(StrictModel):
    """A package of the catalog, or a new one."""

    optional: SkipJsonSchema[bool] = False
    """For the catalog: built only if the user's `packages` names it."""
    service: SkipJsonSchema[ServiceSpec | None] = None
    """For the catalog: what the unit is verified with."""
    component: str = Field("", description="upstream project of the binaries and the version")
    version: ExactVersion = Field("", description="version of a package without a component")
    arch: Literal["", "all"] = Field("", description="all, for a package without binaries")
    section: SingleLine = Field("admin", description="section of the deb, group of the rpm")
    summary: SingleLine = Field("", description="description in one line; required for a new package")
    description: Paragraphs = Field("", description="description in paragraphs")
    license: SingleLine = Field("Apache-2.0", description="SPDX expression")
    homepage: SingleLine = Field("https://kubernetes.io", description="URL of the project")
    files: tuple[FileSpec, ...] = Field((), description="files, directories and links")
    relations: tuple[RelationSpec, ...] = Field((), description="dependencies and other relations")
    scripts: tuple[ScriptSpec, ...] = Field((), description="scripts that package managers run")

    @field_validator("files", "relations", "scripts")
    @classmethod
    def _check_conflicts(cls, rows: tuple[Conditional, ...]) -> tuple[Conditional, ...]:
        for (i, first), (j, second) in itertools.combinations(enumerate(rows), 2):
            if first.subject_key == second.subject_key and first.overlaps(second):
                raise ValueError(
                    f"rows {i + 1} and {j + 1} match the same versions: {first} "
                    f"({first.kubernetes}) and {second} ({second.kubernetes})"
                )
        return rows
