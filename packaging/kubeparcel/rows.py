"""The rows of the catalog and of the user's `packages:`; what a wrong one is told.

Only here, in catalog.py and in settings.py is pydantic imported: it costs 0.1 s, and gives the
exact path of every wrong field and the JSON Schema for editors.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from .errors import UnknownVersion
from .model import Format, Version


def key(name: str) -> str:
    """A field's name as it is written in YAML."""
    return name.replace("_", "-")


class Row(BaseModel):
    """Every table row: frozen, unknown keys are errors, keys written with dashes."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=key, populate_by_name=True
    )


class Range(Row):
    """Kubernetes versions from `since` on and before `until`; a pre-release counts as its final."""

    since: str = ""
    until: str = ""

    def covers(self, version: Version) -> bool:
        """Whether a Kubernetes version lies in the range."""
        final = version.finalize_version()
        low = not self.since or final >= Version.parse(self.since)
        return low and (not self.until or final < Version.parse(self.until))

    def overlaps(self, other: Range) -> bool:
        """Whether some version lies in both."""
        return _before(self.since, other.until) and _before(other.since, self.until)

    def __str__(self) -> str:
        return f"{self.since or 'the first'} up to {self.until or 'the newest'}"


def _before(since: str, until: str) -> bool:
    return not since or not until or Version.parse(since) < Version.parse(until)


_BOUND = re.compile(r"(>=|<)([^<>=,]+)")


def _range(value: Any) -> Any:
    """Read `>=1.28.0 <1.32.0`."""
    if isinstance(value, Range):
        return value
    words = value.split() if isinstance(value, str) else [repr(value)]
    bounds = [_BOUND.fullmatch(word) for word in words]
    found = {"since" if m[1] == ">=" else "until": whole(m[2]) for m in bounds if m}
    if len(found) != len(bounds):
        raise ValueError(f"{value!r} is not a range: write it like '>=1.28.0 <1.32.0'")
    if len(found) == 2 and not _before(found["since"], found["until"]):
        raise ValueError(f"{value!r} holds no version: it ends before it begins")
    return found


def whole(text: str) -> str:
    """A whole version as it is written without a leading v, or nothing; raises ValueError."""
    try:
        return str(Version.parse(text)) if text else text
    except UnknownVersion as error:
        raise ValueError(f"{error.what} {error.todo}") from None


Kubernetes = Annotated[Range, BeforeValidator(_range, json_schema_input_type=str)]


def _mode(value: Any) -> Any:
    """Read a file mode as people write it: 0755, '0755', 0o755 (all octal)."""
    try:
        number = int(value.removeprefix("0o"), 8) if isinstance(value, str) else value
    except ValueError:
        number = -1
    if isinstance(number, bool) or (isinstance(number, int) and not 0 <= number <= 0o777):
        raise ValueError("file modes are octal and hold no setuid or sticky bit: 0644, 0755")
    return number


def _absolute(path: str) -> str:
    first, *rest = path.split("/")
    rooted = (first == "" and rest) or first.startswith("{")
    if not rooted or {"", ".", ".."} & set(rest) or not path.isprintable():
        raise ValueError(f"{path!r} is not an absolute path, plain and without '..'")
    return path


Mode = Annotated[int, BeforeValidator(_mode, json_schema_input_type=int | str)]
Exact = Annotated[str, AfterValidator(whole)]
Layout: TypeAlias = Literal["etc", "official"]


@dataclass(frozen=True)
class Shape:
    """Text of one form; a wrong one is told what a right one looks like."""

    pattern: str
    like: str

    def check(self, text: str) -> str:
        """Give the text back, or raise ValueError."""
        if not re.fullmatch(self.pattern, text):
            raise ValueError(f"{text!r} does not fit here: write it like {self.like}")
        return text

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "pattern": f"^(?:{self.pattern})$"}


Line = Annotated[str, Shape(r"[^\r\n]*", "one line of text")]
Name = Annotated[str, Shape(r"[a-z0-9][a-z0-9+.-]+", "kubelet or my-tools (small letters)")]
Other = Annotated[
    str,
    Shape(
        r"([a-z0-9][a-z0-9+.-]*( \((<<|<=|=|>=|>>) [^) $]+\))?)?", "kubelet or kubelet (>= 1.19.0)"
    ),
]


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

    path: Annotated[str, AfterValidator(_absolute)]
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
