"""What the user wants: flags over KUBEPARCEL_* over kubeparcel.yaml over defaults, in one value."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, ValidationError

from kubeparcel.config.catalog import merge_package
from kubeparcel.config.catalog_models import ComponentSpec, PackageSpec
from kubeparcel.config.field_types import (
    ExactVersion,
    Layout,
    PackageName,
    Pattern,
    SingleLine,
    StrictModel,
    exact_version,
    yaml_key,
)
from kubeparcel.config.yaml_file import YamlFile, message_of
from kubeparcel.errors import ConfigurationError, UsageError
from kubeparcel.model import Arch, Format, Request

FILE_NAME = "kubeparcel.yaml"
ENV_PREFIX = "KUBEPARCEL_"


def _words(value: Any) -> Any:
    """A list may also be written as words with commas, as in a flag."""
    if isinstance(value, str):
        return [word.strip() for word in value.split(",") if word.strip()]
    return value


def _unique(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise ValueError("name at least one")
    return tuple(dict.fromkeys(values))


def _text(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f'write the version in quotes: "{value}" (YAML reads 1.30 as 1.3)')  # noqa: TRY004
    return value


def _request(text: str) -> str:
    """`stable`, `latest`, a minor or an exact version, without a leading v."""
    plain = text.strip().removeprefix("v")
    minor = plain.split(".")
    if plain in {"stable", "latest"} or (len(minor) == 2 and all(p.isdigit() for p in minor)):
        return plain
    return exact_version(plain)


def _digits(value: Any) -> Any:
    """A whole number may be written without quotes."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


NumberAsText = BeforeValidator(_digits, json_schema_input_type=str | int)
QuotedVersion = BeforeValidator(_text)
Arches = Annotated[
    tuple[Arch, ...], BeforeValidator(_words, json_schema_input_type=str | tuple[Arch, ...]), AfterValidator(_unique)
]
Formats = Annotated[
    tuple[Format, ...],
    BeforeValidator(_words, json_schema_input_type=str | tuple[Format, ...]),
    AfterValidator(_unique),
]


class Settings(StrictModel):
    """All that can be set, with the defaults. Paths are as the user wrote them."""

    kubernetes: Annotated[str, QuotedVersion, AfterValidator(_request)] = "stable"
    cri_tools: Annotated[ExactVersion, QuotedVersion] = ""
    cni: Annotated[ExactVersion, QuotedVersion] = ""
    arch: Arches = (Arch.AMD64,)
    format: Formats = tuple(Format)
    source: Literal["auto", "upstream", "go"] = "auto"
    mirror: str = ""
    layout: Layout = "etc"
    revision: Annotated[str, Pattern(r"[0-9A-Za-z][0-9A-Za-z.+~]*", "1 or 2.el9"), NumberAsText] = "1"
    compression: Literal["fast", "balanced", "small"] = "balanced"
    out: str = "dist"
    maintainer: Annotated[str, Pattern(r"[^<>\r\n]+ <[^<>\s]+@[^<>\s]+>", "Jane Doe <jane@example.org>")] = Field(
        "kubeparcel <noreply@kubeparcel.invalid>", description="maintainer of the packages"
    )
    vendor: Annotated[str, Pattern(r"[^\r\n]+", "one line of text")] = Field(
        "kubeparcel", description="vendor of the packages"
    )
    kubelet_extra_args: SingleLine = Field("", description="KUBELET_EXTRA_ARGS in the kubelet's environment file")
    packages: Mapping[PackageName, PackageSpec] = Field(
        {}, description="changes to packages of the catalog, and new packages, by name"
    )

    _base: Path = PrivateAttr(default_factory=Path.cwd)

    @property
    def base(self) -> Path:
        """The folder that relative paths start from: where the user stands."""
        return self._base

    def request(self) -> Request:
        """The part that decides which releases are meant."""
        return Request(self.kubernetes, self.cri_tools, self.cni, self.arch, self.source, self.mirror)

    def catalog_packages(self, known: Mapping[str, PackageSpec]) -> dict[str, PackageSpec]:
        """The catalog's packages with the user's changes, and the user's own."""
        own = {
            name: merge_package(known[name], spec) if name in known else spec for name, spec in self.packages.items()
        }
        return {**known, **own}


def load_settings(options: Mapping[str, Any], base: Path | None = None) -> Settings:
    """Read the settings that hold in `base` (where the user stands) under these flags.

    Flags are named as the fields; None and empty ones do not count. Raises UsageError for a wrong
    flag and ConfigurationError for a wrong variable or file, naming it, its line and the way out.
    """
    base = base or Path.cwd()
    file = YamlFile.read(base / FILE_NAME)
    variables = {
        field: os.environ[ENV_PREFIX + field.upper()]
        for field in Settings.model_fields
        if field != "packages" and os.environ.get(ENV_PREFIX + field.upper())
    }
    given = {name: value for name, value in options.items() if value not in (None, "", [], ())}
    _dashes(file)
    layers: list[tuple[str, Mapping[str, Any]]] = [("file", file.data), ("variable", variables)]
    layers.append(("flag", given))
    merged: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for name, layer in layers:
        for field, value in layer.items():
            dashed = field if name == "file" else yaml_key(field)
            merged[dashed], origin[dashed] = value, name
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        raise _explain(error, origin, file) from None
    settings._base = base
    _own_packages_are_whole(settings, file)
    return settings


def _dashes(file: YamlFile) -> None:
    """Settings are written with dashes in the file, so that none can stand there twice."""
    for name in file.data:
        if name in Settings.model_fields and name != yaml_key(name):
            raise ConfigurationError(
                f'{file.locate((name,))}: {name} is not a setting. Did you mean "{yaml_key(name)}"?'
            )


def _explain(error: ValidationError, origin: Mapping[str, str], file: YamlFile) -> Exception:
    flags: list[str] = []
    others: list[str] = []
    for fault in error.errors():
        field = str(fault["loc"][0]) if fault["loc"] else ""
        said = message_of(fault)
        match origin.get(field, "file"):
            case "flag":
                flags.append(f"--{field}: {said}")
            case "variable":
                others.append(f"{ENV_PREFIX}{field.upper().replace('-', '_')}: {said}")
            case _:
                others.append(file.explain(fault, Settings.model_json_schema()))
    if flags:
        return UsageError("\n".join(flags + others))
    return ConfigurationError("\n".join(others), "All settings: inv config --schema, docs/reference/configuration.md")


def _own_packages_are_whole(settings: Settings, file: YamlFile) -> None:
    """A package of the user's has to say what it is, and its binaries have to exist."""
    if not settings.packages:
        return
    from kubeparcel.config.catalog import load as load_catalog

    catalog = load_catalog()
    merged = settings.catalog_packages(catalog.packages)
    for name in settings.packages:
        spec, where = merged[name], file.locate(("packages", name))
        lacks = [] if spec.summary else ["summary"]
        lacks += [] if spec.version or spec.component else ["version"]
        if lacks:
            raise ConfigurationError(
                f"{where}: the package {name} is new, and lacks: {', '.join(lacks)}",
                f"Names in the catalog: {', '.join(catalog.packages)}. "
                "docs/how-to/customize-packages.md has an example.",
            )
        if spec.component and spec.component not in catalog.components:
            raise ConfigurationError(
                f"{file.locate(('packages', name, 'component'))}: packages.{name}.component: "
                f"there is no {spec.component}.",
                f"There are: {', '.join(catalog.components)}.",
            )
        _binaries_exist(name, spec, catalog.components, where)


def _binaries_exist(name: str, spec: PackageSpec, components: Mapping[str, ComponentSpec], where: str) -> None:
    wanted = [row.binary for row in spec.files if row.binary or row.binaries]
    if not wanted:
        return
    if not spec.component or spec.arch == "all":
        raise ConfigurationError(
            f"{where}: the package {name} holds binaries: it needs `component`, and no `arch`.",
            f"Components: {', '.join(components)}.",
        )
    known = components[spec.component].binaries
    missing = [binary for binary in wanted if binary and known and binary not in known]
    if missing:
        raise ConfigurationError(
            f"{where}: {spec.component} has no binary {missing[0]}.", f"It has: {', '.join(known)}."
        )
