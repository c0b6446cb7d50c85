"""The types of fields in YAML: ranges, modes, paths and names, with the messages of invalid values.

pydantic locates every invalid field, and generates the JSON Schema for editors. Its import takes 0.1 s, so that
modules outside of this folder import those that use it late.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    model_serializer,
)
from pydantic_core import CoreSchema, core_schema

from kubeparcel.config.distribution_directories import DISTRIBUTION_DIRECTORIES
from kubeparcel.errors import UnknownVersion
from kubeparcel.model import Version


def yaml_key(name: str) -> str:
    """Return a field's name in YAML."""
    return name.replace("_", "-")


class StrictModel(BaseModel):
    """A frozen row of a table; unknown keys are errors, and keys have dashes."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=yaml_key, populate_by_name=True)


class VersionRange(StrictModel):
    """Versions from `since` up to, but without, `until`; a pre-release counts as its final release."""

    since: str = ""
    until: str = ""

    def contains(self, version: Version) -> bool:
        final = version.finalize_version()
        low = not self.since or final >= Version.parse(self.since)
        return low and (not self.until or final < Version.parse(self.until))

    def overlaps(self, other: VersionRange) -> bool:
        return _before(self.since, other.until) and _before(other.since, self.until)

    @model_serializer
    def _serialize(self) -> str:
        return self.notation

    @property
    def notation(self) -> str:
        """The range as YAML has it; empty for all versions."""
        return " ".join(filter(None, [self.since and f">={self.since}", self.until and f"<{self.until}"]))

    def __str__(self) -> str:
        return f"{self.since or 'the first'} up to {self.until or 'the newest'}"


def _before(since: str, until: str) -> bool:
    return not since or not until or Version.parse(since) < Version.parse(until)


_BOUND = re.compile(r"(>=|<)([^<>=,]+)")


def _range(value: Any) -> Any:
    """Parse `>=1.28.0 <1.32.0`."""
    if isinstance(value, VersionRange):
        return value
    words = value.split() if isinstance(value, str) else [repr(value)]
    bounds = [_BOUND.fullmatch(word) for word in words]
    limits = {"since" if m[1] == ">=" else "until": exact_version(m[2]) for m in bounds if m}
    if len(limits) != len(bounds):
        raise ValueError(f"invalid range {value!r}: expected one like '>=1.28.0 <1.32.0'")
    if len(limits) == 2 and not _before(limits["since"], limits["until"]):
        raise ValueError(f"empty range {value!r}: its end is not after its start")
    return limits


def exact_version(text: str) -> str:
    """Return a version without a leading v, or empty text; raise ValueError."""
    try:
        return str(Version.parse(text)) if text else text
    except UnknownVersion as error:
        raise ValueError(f"{error.message} {error.hint}") from None


def parse_range(text: str) -> VersionRange:
    """Return the range of a text such as `>=1.28.0 <1.32.0`; raise ValueError."""
    return VersionRange.model_validate(_range(text))


KubernetesRange = Annotated[VersionRange, BeforeValidator(_range, json_schema_input_type=str)]


def _mode(value: Any) -> Any:
    """Parse an octal file mode: 0755, '0755' or 0o755."""
    try:
        number = int(value.removeprefix("0o"), 8) if isinstance(value, str) else value
    except ValueError:
        number = -1
    if isinstance(number, bool) or (isinstance(number, int) and not 0 <= number <= 0o777):
        raise ValueError(
            f"invalid file mode {value!r}: expected octal permissions like 0644 or 0755, without setuid or sticky bit"
        )
    return number


def absolute_path(path: str) -> str:
    """Return an absolute path, or one below a folder of the layout; raise ValueError."""
    first, *rest = path.split("/")
    rooted = (first == "" and rest) or first.startswith("{")
    if not rooted or {"", ".", ".."} & set(rest) or not path.isprintable():
        raise ValueError(f"invalid path {path!r}: expected an absolute path without '..', '//' or a final slash")
    return path


def plugin_folder(path: str) -> str:
    """Return an absolute path of a folder that is not the distribution's; raise ValueError."""
    if absolute_path(path) in DISTRIBUTION_DIRECTORIES or "{" in path:
        raise ValueError(f"invalid folder {path!r}: expected one for plugins alone, such as /usr/libexec/cni")
    if not re.fullmatch(r"[\w/.:@+~-]+", path, re.ASCII):  # it is written into containerd's configuration, too
        raise ValueError(f"invalid folder {path!r}: expected ASCII letters, digits and ._+~:@/- only")
    return path


FileMode = Annotated[
    int,
    BeforeValidator(_mode, json_schema_input_type=int | str),
    PlainSerializer(lambda mode: f"{mode:04o}", when_used="json"),
]
ExactVersion = Annotated[str, AfterValidator(exact_version)]
Layout: TypeAlias = Literal["etc", "official"]


@dataclass(frozen=True)
class Pattern:
    """Text that matches a pattern; `expected` describes it in messages."""

    pattern: str
    expected: str

    def check(self, text: str) -> str:
        if not re.fullmatch(self.pattern, text):
            raise ValueError(f"invalid value {text!r}: expected {self.expected}")
        if re.search(r"[\ud800-\udfff]", text):  # as Python represents other bytes of variables and arguments
            raise ValueError(f"invalid value {text!r}: expected UTF-8")
        return text

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "pattern": f"^(?:{self.pattern})$"}


CONTROL = r"\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029"
"""Characters, for a set in a pattern, that end a line or control a terminal; a tab is neither."""

SingleLine = Annotated[str, Pattern(f"[^{CONTROL}]*", "one line of text")]
Paragraphs = Annotated[str, Pattern(rf"(?:\n|[^{CONTROL}])*", "text without control characters")]
PackageName = Annotated[str, Pattern(r"[a-z0-9][a-z0-9+.-]+", "a lowercase name like kubelet or my-tools")]
RelationText = Annotated[
    str,
    Pattern(
        rf"([a-z0-9][a-z0-9+.-]*( \((<<|<=|=|>=|>>) [^) \t${CONTROL}]+\))?)?",
        "a package like kubelet or kubelet (>= 1.19.0)",
    ),
]
