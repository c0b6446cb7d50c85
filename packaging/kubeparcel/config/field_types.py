"""What rows are written with: ranges, modes, paths, names; and what a wrong one is told.

Only here, in rows.py, catalog.py and settings.py is pydantic imported: it costs 0.1 s, and gives
the exact path of every wrong field and the JSON Schema for editors.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from kubeparcel.errors import UnknownVersion
from kubeparcel.model import Version


def yaml_key(name: str) -> str:
    """A field's name as it is written in YAML."""
    return name.replace("_", "-")


class StrictModel(BaseModel):
    """Every table row: frozen, unknown keys are errors, keys written with dashes."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=yaml_key, populate_by_name=True)


class VersionRange(StrictModel):
    """Kubernetes versions from `since` on and before `until`; a pre-release counts as its final."""

    since: str = ""
    until: str = ""

    def contains(self, version: Version) -> bool:
        """Whether a Kubernetes version lies in the range."""
        final = version.finalize_version()
        low = not self.since or final >= Version.parse(self.since)
        return low and (not self.until or final < Version.parse(self.until))

    def overlaps(self, other: VersionRange) -> bool:
        """Whether some version lies in both."""
        return _before(self.since, other.until) and _before(other.since, self.until)

    def __str__(self) -> str:
        return f"{self.since or 'the first'} up to {self.until or 'the newest'}"


def _before(since: str, until: str) -> bool:
    return not since or not until or Version.parse(since) < Version.parse(until)


_BOUND = re.compile(r"(>=|<)([^<>=,]+)")


def _range(value: Any) -> Any:
    """Read `>=1.28.0 <1.32.0`."""
    if isinstance(value, VersionRange):
        return value
    words = value.split() if isinstance(value, str) else [repr(value)]
    bounds = [_BOUND.fullmatch(word) for word in words]
    found = {"since" if m[1] == ">=" else "until": exact_version(m[2]) for m in bounds if m}
    if len(found) != len(bounds):
        raise ValueError(f"{value!r} is not a range: write it like '>=1.28.0 <1.32.0'")
    if len(found) == 2 and not _before(found["since"], found["until"]):
        raise ValueError(f"{value!r} holds no version: it ends before it begins")
    return found


def exact_version(text: str) -> str:
    """A whole version as it is written without a leading v, or nothing; raises ValueError."""
    try:
        return str(Version.parse(text)) if text else text
    except UnknownVersion as error:
        raise ValueError(f"{error.message} {error.hint}") from None


KubernetesRange = Annotated[VersionRange, BeforeValidator(_range, json_schema_input_type=str)]


def _mode(value: Any) -> Any:
    """Read a file mode as people write it: 0755, '0755', 0o755 (all octal)."""
    try:
        number = int(value.removeprefix("0o"), 8) if isinstance(value, str) else value
    except ValueError:
        number = -1
    if isinstance(number, bool) or (isinstance(number, int) and not 0 <= number <= 0o777):
        raise ValueError("file modes are octal and hold no setuid or sticky bit: 0644, 0755")
    return number


def absolute_path(path: str) -> str:
    """An absolute path, or one below a place of the layout; raises ValueError."""
    first, *rest = path.split("/")
    rooted = (first == "" and rest) or first.startswith("{")
    if not rooted or {"", ".", ".."} & set(rest) or not path.isprintable():
        raise ValueError(f"{path!r} is not an absolute path, plain and without '..'")
    return path


FileMode = Annotated[int, BeforeValidator(_mode, json_schema_input_type=int | str)]
ExactVersion = Annotated[str, AfterValidator(exact_version)]
Layout: TypeAlias = Literal["etc", "official"]


@dataclass(frozen=True)
class Pattern:
    """Text of one form; a wrong one is told what a right one looks like."""

    pattern: str
    example: str

    def check(self, text: str) -> str:
        """Give the text back, or raise ValueError."""
        if not re.fullmatch(self.pattern, text):
            raise ValueError(f"{text!r} does not fit here: write it like {self.example}")
        return text

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "pattern": f"^(?:{self.pattern})$"}


SingleLine = Annotated[str, Pattern(r"[^\r\n]*", "one line of text")]
PackageName = Annotated[str, Pattern(r"[a-z0-9][a-z0-9+.-]+", "kubelet or my-tools (small letters)")]
RelationText = Annotated[
    str, Pattern(r"([a-z0-9][a-z0-9+.-]*( \((<<|<=|=|>=|>>) [^) $]+\))?)?", "kubelet or kubelet (>= 1.19.0)")
]
