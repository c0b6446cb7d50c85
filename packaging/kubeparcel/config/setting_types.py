"""The types of single settings: lists in one text, versions, and how binaries are compiled."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from kubeparcel.config.field_types import CONTROL, Pattern, StrictModel, exact_version
from kubeparcel.model import Arch, Format


def split_words(value: Any) -> Any:
    """Split text with commas into a list."""
    if isinstance(value, str):
        return [word.strip() for word in value.split(",") if word.strip()]
    return value


def as_mapping(value: Any) -> Any:
    """Return a mapping of packages without changes for a list of names."""
    if isinstance(value, str | list | tuple) and all(isinstance(name, str) for name in value):
        return {name: {} for name in split_words(value)}
    return value


def as_versions(value: Any) -> Any:
    """Return a mapping of components with versions for text such as `etcd=3.7.3,helm=4.3.1`."""
    if isinstance(value, str):
        pairs = [word.partition("=") for word in split_words(value)]
        if not all(name and version for name, _, version in pairs):
            raise ValueError(f"invalid value {value!r}: expected NAME=VERSION, such as etcd=3.7.3")
        return {name: {"version": version} for name, _, version in pairs}
    return value


def _unique(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise ValueError("expected at least one value")
    return tuple(dict.fromkeys(values))


def _quoted(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f'write the version in quotes: "{value}" (YAML reads 1.30 as 1.3)')  # noqa: TRY004
    return value


def kubernetes_request(text: str) -> str:
    """Return `stable`, `latest`, a minor or an exact version, without a leading v."""
    plain = text.strip().removeprefix("v")
    if not plain:
        raise ValueError("a version is empty")
    if plain in {"stable", "latest"} or re.fullmatch(r"\d+\.\d+", plain):
        return plain
    return exact_version(plain)


def kubernetes_requests(text: str) -> str:
    """Return one request or several, separated by commas; raise ValueError for an empty or duplicate one."""
    requests = [kubernetes_request(word) for word in text.split(",")]
    for number, request in enumerate(requests):
        if request in requests[:number]:
            raise ValueError(f"{request} is there twice")
    return ",".join(requests)


QuotedVersion = BeforeValidator(_quoted)
KubernetesRequests = Annotated[str, QuotedVersion, AfterValidator(kubernetes_requests)]
Revision = Annotated[
    str,
    Pattern(r"[0-9A-Za-z][0-9A-Za-z.+~]*", "a value like 1 or 2.el9"),
    BeforeValidator(lambda v: str(v) if type(v) is int else v, json_schema_input_type=str | int),
]
"""A whole number needs no quotes."""

Maintainer = Annotated[
    str,
    Pattern(rf"[^<>{CONTROL}]+ <[^<>\s{CONTROL}]+@[^<>\s{CONTROL}]+>", "an address like Jane Doe <jane@example.org>"),
]
Words = Annotated[tuple[str, ...], BeforeValidator(split_words, json_schema_input_type=str | tuple[str, ...])]
ReleaseRows = Annotated[
    tuple[Mapping[str, Any], ...], WithJsonSchema({"type": "array", "items": {"type": "object"}, "minItems": 1})
]
LOCAL_WORKERS = "dask:local:"
Workers = Annotated[
    str,
    Pattern(
        r"|dask:(tcp|tls)://[^\s/]+:[0-9]{1,5}|dask:local:[1-9][0-9]{0,2}",
        "dask:tcp://HOST:PORT, dask:tls://HOST:PORT or dask:local:COUNT",
    ),
]
Arches = Annotated[
    tuple[Arch, ...],
    BeforeValidator(split_words, json_schema_input_type=str | tuple[Arch, ...]),
    AfterValidator(_unique),
]
Formats = Annotated[
    tuple[Format, ...],
    BeforeValidator(split_words, json_schema_input_type=str | tuple[Format, ...]),
    AfterValidator(_unique),
]


class GoSettings(StrictModel):
    """How binaries are compiled. The settings are recorded in the lock and in the packages."""

    fips: bool = Field(default=False, description="link Go's FIPS 140-3 module; versions end in +fips")
    amd64: Literal["v1", "v2", "v3", "v4"] = Field(
        default="v1", description="lowest level of x86-64 processors that run the binaries (GOAMD64)"
    )
    debug: bool = Field(
        default=False, description="build packages with debug symbols as well: NAME-dbgsym (deb), NAME-debuginfo (rpm)"
    )
