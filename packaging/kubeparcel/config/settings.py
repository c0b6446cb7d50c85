"""The settings: options override KUBEPARCEL_* variables, those kubeparcel.yaml, that the defaults."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, ValidationError

from kubeparcel.config import catalog as catalogs
from kubeparcel.config.catalog import merge_package
from kubeparcel.config.catalog_models import PackageSpec
from kubeparcel.config.field_types import (
    CONTROL,
    ExactVersion,
    Layout,
    PackageName,
    Pattern,
    SingleLine,
    StrictModel,
    exact_version,
    plugin_folder,
    yaml_key,
)
from kubeparcel.config.kubelet_arguments import valid_arguments
from kubeparcel.config.package_checks import check_packages
from kubeparcel.config.package_spec import CNI_BIN_DIR
from kubeparcel.config.patch_settings import Patches, VersionSuffix, check_patches, read_patches
from kubeparcel.config.yaml_file import YamlFile, error_message
from kubeparcel.errors import ConfigurationError, UsageError
from kubeparcel.model import Arch, BuildVariant, Format, InputPolicy, Request
from kubeparcel.paths import user_path

FILE_NAME = "kubeparcel.yaml"
ENV_PREFIX = "KUBEPARCEL_"
FILE_ONLY = ("go", "patches")
"""Settings that are mappings, so that no variable can have them."""

OFF = "false"
"""The value of a setting that an option `--no-SETTING` turns off."""


def _words(value: Any) -> Any:
    """Split text with commas into a list."""
    if isinstance(value, str):
        return [word.strip() for word in value.split(",") if word.strip()]
    return value


def _named(value: Any) -> Any:
    """Return a mapping of packages without changes for a list of names."""
    if isinstance(value, str | list | tuple) and all(isinstance(name, str) for name in value):
        return {name: {} for name in _words(value)}
    return value


def _unique(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise ValueError("expected at least one value")
    return tuple(dict.fromkeys(values))


def _text(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f'write the version in quotes: "{value}" (YAML reads 1.30 as 1.3)')  # noqa: TRY004
    return value


def _request(text: str) -> str:
    """Return `stable`, `latest`, a minor or an exact version, without a leading v."""
    plain = text.strip().removeprefix("v")
    if plain in {"stable", "latest"} or re.fullmatch(r"\d+\.\d+", plain):
        return plain
    return exact_version(plain)


def _digits(value: Any) -> Any:
    """Return a whole number as text, so that it needs no quotes."""
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


class GoSettings(StrictModel):
    """How binaries are compiled. The settings are recorded in the lock and in the packages."""

    fips: bool = Field(default=False, description="link Go's FIPS 140-3 module; versions end in +fips")
    amd64: Literal["v1", "v2", "v3", "v4"] = Field(
        default="v1", description="lowest level of x86-64 processors that run the binaries (GOAMD64)"
    )


class Settings(StrictModel):
    """All settings, with their defaults. Paths are as the user wrote them."""

    kubernetes: Annotated[str, QuotedVersion, AfterValidator(_request)] = "stable"
    cri_tools: Annotated[ExactVersion, QuotedVersion] = ""
    cni: Annotated[ExactVersion, QuotedVersion] = ""
    arch: Arches = (Arch.AMD64,)
    format: Formats = tuple(Format)
    source: Literal["auto", "upstream", "go"] = "auto"
    mirror: str = ""
    require_signatures: bool = False
    accept_sha1: bool = False
    trust_root: str = ""
    layout: Layout = "etc"
    revision: Annotated[str, Pattern(r"[0-9A-Za-z][0-9A-Za-z.+~]*", "a value like 1 or 2.el9"), NumberAsText] = "1"
    compression: Literal["fast", "balanced", "small"] = "balanced"
    out: str = "dist"
    sbom: bool = Field(
        True, description="write SBOMs of the packages and the release, as CycloneDX and SPDX, into the output folder"
    )
    maintainer: Annotated[
        str,
        Pattern(
            rf"[^<>{CONTROL}]+ <[^<>\s{CONTROL}]+@[^<>\s{CONTROL}]+>", "an address like Jane Doe <jane@example.org>"
        ),
    ] = Field("kubeparcel <noreply@kubeparcel.invalid>", description="maintainer of the packages")
    vendor: Annotated[str, Pattern(f"[^{CONTROL}]+", "one line of text")] = Field(
        "kubeparcel", description="vendor of the packages"
    )
    kubelet_extra_args: Annotated[SingleLine, AfterValidator(valid_arguments)] = Field(
        "", description="KUBELET_EXTRA_ARGS in the kubelet's environment file; quotes group, nothing is substituted"
    )
    cni_bin_dir: Annotated[str, AfterValidator(plugin_folder)] = Field(
        CNI_BIN_DIR, description="folder of the CNI plugins, where the container runtime searches them"
    )
    go: GoSettings = Field(GoSettings(), description="how binaries are compiled, with source go")
    patches: Mapping[str, Patches] = Field(
        {},
        description="patches of the source by component, in the order in which they are applied, with source go: "
        "files, or rows with `file` and `versions`",
    )
    version_suffix: VersionSuffix = Field(
        "", description="end of the versions of patched components, such as +acme.1; required with patches"
    )
    vulnerability_database: str = Field(
        "", description="Go vulnerability database: a URL, or a folder with a copy; https://vuln.go.dev if empty"
    )
    audit_fail_on: Literal["any", "imported", "called", "none"] = Field(
        "any",
        description="findings that fail an audit: any, imported (package in a binary), called (function in it), none",
    )
    vex: Annotated[tuple[str, ...], BeforeValidator(_words, json_schema_input_type=str | tuple[str, ...])] = Field(
        (), description="files with OpenVEX statements: vulnerabilities that do not matter for these packages"
    )
    packages: Annotated[
        Mapping[PackageName, PackageSpec],
        BeforeValidator(_named, json_schema_input_type=Mapping[PackageName, PackageSpec] | tuple[PackageName, ...]),
    ] = Field(
        {},
        description="changes to packages of the catalog, new packages, and optional ones to build, by name; a list "
        "of names if there is nothing to change",
    )

    _base: Path = PrivateAttr(default_factory=Path.cwd)

    @property
    def base(self) -> Path:
        """The folder of kubeparcel.yaml, which relative paths start from."""
        return self._base

    def request(self) -> Request:
        """Return the settings that select the releases."""
        versions = {"cri-tools": self.cri_tools, "cni": self.cni}
        versions |= {name: "" for name in self._other_components() if name not in ("kubernetes", *versions)}
        return Request(
            *(self.kubernetes, versions, self.arch, self.source, self.mirror),
            self._other_programs(),
            self.variant(),
            self.input_policy(),
        )

    def variant(self) -> BuildVariant:
        """Return how binaries are compiled, with the digests of the patches; raise ConfigurationError for a bad one."""
        patches = read_patches(self.patches, self.base)
        return BuildVariant(self.go.fips, self.go.amd64, self.version_suffix.removeprefix("+"), patches)

    def input_policy(self) -> InputPolicy:
        """Return the settings that decide which of upstream's files are accepted."""
        trust_root = str(user_path(self.trust_root)) if self.trust_root else ""
        return InputPolicy(self.require_signatures, self.accept_sha1, trust_root)

    def _other_components(self) -> tuple[str, ...]:
        """Return the components of all packages, if not only the default ones are built."""
        if not self.packages:
            return ()
        packages = self.catalog_packages(catalogs.load().packages)
        return tuple(dict.fromkeys(spec.component for spec in packages.values() if spec.component))

    def _other_programs(self) -> tuple[str, ...]:
        """Return the binaries that packages contain and the catalog does not name, as COMPONENT/NAME."""
        if not self.packages:
            return ()
        components = catalogs.load().components
        programs = {
            f"{spec.component}/{row.binary}"
            for spec in self.catalog_packages(catalogs.load().packages).values()
            for row in spec.files
            if row.binary and components[spec.component].has_single_files
            if row.binary not in components[spec.component].binaries
        }
        return tuple(sorted(programs))

    def as_document(self) -> dict[str, Any]:
        """Return the settings as kubeparcel.yaml would state them; packages have only the fields that are set."""
        packages = {
            name: spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
            for name, spec in self.packages.items()
        }
        return {**self.model_dump(mode="json", by_alias=True), "packages": packages}

    def catalog_packages(self, catalog: Mapping[str, PackageSpec]) -> dict[str, PackageSpec]:
        """Return the packages to build: the catalog's with the user's changes, and the user's own.

        Optional packages of the catalog are built if `packages` names them.
        """
        catalog = {name: spec for name, spec in catalog.items() if name in self.packages or not spec.optional}
        customized = {
            name: merge_package(catalog[name], spec) if name in catalog else spec
            for name, spec in self.packages.items()
        }
        return {**catalog, **customized}


def load_settings(options: Mapping[str, Any], base: Path | None = None) -> Settings:
    """Return the effective settings of the folder `base` (default: the working directory).

    Options are named like the fields; None and empty values are ignored. Raises UsageError for an
    invalid option, and ConfigurationError for an invalid variable or file, with its line.
    """
    base = base or Path.cwd()
    file = YamlFile.read(base / FILE_NAME)
    values, origins = _merge_layers(options, file)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise _explain(error, origins, file) from None
    settings._base = base
    if settings.packages:
        catalog = catalogs.load()
        merged = settings.catalog_packages(catalog.packages)
        check_packages(settings.packages, merged, catalog, settings.cni_bin_dir, file)
    if settings.patches or settings.version_suffix:
        built = dict.fromkeys(["kubernetes", "cri-tools", "cni", *settings._other_components()])
        check_patches(settings.patches, settings.version_suffix, built, file)
    return settings


def setting_origins(options: Mapping[str, Any], base: Path | None = None) -> dict[str, str]:
    """Return where each setting comes from, by its key in YAML.

    An origin is `default`, `kubeparcel.yaml:LINE`, the name of a variable, or an option.
    """
    _, origins = _merge_layers(options, YamlFile.read((base or Path.cwd()) / FILE_NAME))
    return {yaml_key(field): origins.get(yaml_key(field), "default") for field in Settings.model_fields}


def _merge_layers(options: Mapping[str, Any], file: YamlFile) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values of file, variables and options, not validated yet, and their origins, by key."""
    _require_dashes(file)
    values, origins = dict(file.data), {key: file.locate((key,)) for key in file.data}
    for field in Settings.model_fields:
        key, variable = yaml_key(field), ENV_PREFIX + field.upper()
        option = f"--no-{key}" if options.get(field) == OFF else f"--{key}"
        from_environment = "" if field in FILE_ONLY else os.environ.get(variable)
        for value, origin in ((from_environment, variable), (options.get(field), option)):
            if value not in (None, "", [], (), False):
                values[key] = _add_packages(values.get(key), value) if field == "packages" else value
                origins[key] = origin
    return values, origins


def _add_packages(packages: Any, names: Any) -> Any:
    """Add the names of an option or a variable to the `packages` of the file, which may be invalid yet."""
    packages, more = _named(packages or {}), _named(names)
    return {**more, **packages} if isinstance(packages, Mapping) else packages


def _require_dashes(file: YamlFile) -> None:
    """Reject names with underscores in the file, so that no setting can be set twice."""
    for name in file.data:
        if name in Settings.model_fields and name != yaml_key(name):
            raise ConfigurationError(
                f'{file.locate((name,))}: {name} is not a setting. Did you mean "{yaml_key(name)}"?'
            )


def _explain(error: ValidationError, origins: Mapping[str, str], file: YamlFile) -> Exception:
    option_errors: list[str] = []
    other_errors: list[str] = []
    for details in error.errors():
        origin = origins.get(str(details["loc"][0]) if details["loc"] else "", "")
        message = f"{origin}: {error_message(details)}"
        if origin.startswith("--"):
            option_errors.append(message)
        elif origin.startswith(ENV_PREFIX):
            other_errors.append(message)
        else:
            other_errors.append(file.explain(details, Settings.model_json_schema()))
    if option_errors:
        return UsageError("\n".join(option_errors + other_errors))
    return ConfigurationError(
        "\n".join(other_errors), "All settings: inv config --schema, docs/reference/configuration.md"
    )
