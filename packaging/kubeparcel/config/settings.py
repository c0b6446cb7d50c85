"""The settings: options override KUBEPARCEL_* variables, which override kubeparcel.yaml and the defaults."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, ValidationError

from kubeparcel.config import catalog as catalogs
from kubeparcel.config.catalog import Catalog, merge_package
from kubeparcel.config.catalog_models import PackageSpec
from kubeparcel.config.component_checks import check_compiled, check_components, check_versions
from kubeparcel.config.component_models import ComponentName, ComponentSpec
from kubeparcel.config.field_types import (
    CONTROL,
    ExactVersion,
    Layout,
    PackageName,
    Pattern,
    SingleLine,
    StrictModel,
    plugin_folder,
    yaml_key,
)
from kubeparcel.config.kubelet_arguments import valid_arguments
from kubeparcel.config.package_checks import check_packages
from kubeparcel.config.package_spec import CNI_BIN_DIR
from kubeparcel.config.patch_settings import Patches, VersionSuffix, check_patches, read_patches
from kubeparcel.config.setting_layers import explain, merge_layers
from kubeparcel.config.setting_types import (
    Arches,
    Formats,
    GoSettings,
    KubernetesRequests,
    Maintainer,
    QuotedVersion,
    ReleaseRows,
    Revision,
    Words,
    Workers,
    as_mapping,
    as_versions,
)
from kubeparcel.config.tree_settings import TREE, SourceName, TreeFolder, check_trees, tree_folders
from kubeparcel.config.yaml_file import YamlFile
from kubeparcel.lock_models import BuildVariant, InputPolicy, Request
from kubeparcel.model import Arch, Format
from kubeparcel.paths import user_path

FILE_NAME = "kubeparcel.yaml"


class Settings(StrictModel):
    """All settings, with their defaults. Paths are as the user wrote them."""

    kubernetes: KubernetesRequests = "stable"
    cri_tools: Annotated[ExactVersion, QuotedVersion] = ""
    cni: Annotated[ExactVersion, QuotedVersion] = ""
    arch: Arches = (Arch.AMD64,)
    format: Formats = tuple(Format)
    source: SourceName = "auto"
    mirror: str = ""
    require_signatures: bool = False
    accept_sha1: bool = False
    trust_root: str = ""
    cache_remote: str = ""
    workers: Workers = ""
    workers_tls: str = ""
    layout: Layout = "etc"
    revision: Revision = "1"
    compression: Literal["fast", "balanced", "small"] = "balanced"
    out: str = "dist"
    sbom: bool = Field(
        True, description="write SBOMs of the packages and the release, as CycloneDX and SPDX, into the output folder"
    )
    maintainer: Maintainer = Field("kubeparcel <noreply@kubeparcel.invalid>", description="maintainer of the packages")
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
        "files, or rows with `file`, `versions` and `fuzz`",
    )
    version_suffix: VersionSuffix = Field(
        "", description="end of the versions of what is patched or a git tree, such as +acme.1; required with patches"
    )
    trees: Mapping[str, TreeFolder] = Field(
        {}, description="git checkouts that components are compiled from, by component: their top folders"
    )
    vulnerability_database: str = Field(
        "", description="Go vulnerability database: a URL, or a folder with a copy; https://vuln.go.dev if empty"
    )
    audit_fail_on: Literal["any", "imported", "called", "none"] = Field(
        "any",
        description="findings that fail an audit: any, imported (package in a binary), called (function in it), none",
    )
    vex: Words = Field(
        (), description="files with OpenVEX statements: vulnerabilities that do not matter for these packages"
    )
    packages: Annotated[
        Mapping[PackageName, PackageSpec],
        BeforeValidator(as_mapping, json_schema_input_type=Mapping[PackageName, PackageSpec] | tuple[PackageName, ...]),
    ] = Field(
        {},
        description="changes to packages of the catalog, new packages, and optional ones to build, by name; a list "
        "of names if there is nothing to change",
    )
    releases: ReleaseRows = Field(
        (), description="rows for several releases in one build, each with the settings in which it differs"
    )

    components: Annotated[
        Mapping[ComponentName, ComponentSpec],
        BeforeValidator(as_versions, json_schema_input_type=Mapping[ComponentName, ComponentSpec]),
    ] = Field({}, description="versions of components of the catalog, and new components for packages, by name")

    _base: Path = PrivateAttr(default_factory=Path.cwd)

    @property
    def base(self) -> Path:
        """The folder of kubeparcel.yaml, which relative paths start from."""
        return self._base

    def request(self) -> Request:
        """Return the settings that select the releases."""
        names = [name for name in self.built_components() if name != "kubernetes"]
        versions = {name: self.components[name].version if name in self.components else "" for name in names}
        versions |= {name: text for name, text in (("cri-tools", self.cri_tools), ("cni", self.cni)) if text}
        definitions = {name: self.components[name].definition() for name in names if name in self.components}
        return Request(
            *(self.kubernetes, versions, self.arch, self.source_kind, self.mirror),
            self._other_programs(),
            self.variant(),
            self.input_policy(),
            {name: definition for name, definition in definitions.items() if definition},
        )

    def tree_folders(self) -> dict[str, Path]:
        """Return the git checkouts that components are compiled from; `source: tree:DIR` is that of Kubernetes."""
        return tree_folders(self.source, self.trees, self.base)

    @property
    def source_kind(self) -> str:
        """The source without the folder of a tree: trees are compiled as Go modules are."""
        return "go" if self.source.startswith(TREE) else self.source

    def variant(self) -> BuildVariant:
        """Return how binaries are compiled; raise ConfigurationError for a patch that cannot be read."""
        patches = read_patches(self.patches, self.base)
        return BuildVariant(self.go.fips, self.go.amd64, self.version_suffix.removeprefix("+"), patches, self.go.debug)

    def input_policy(self) -> InputPolicy:
        """Return the settings that decide which of upstream's files are accepted."""
        trust_root = str(user_path(self.trust_root)) if self.trust_root else ""
        return InputPolicy(self.require_signatures, self.accept_sha1, trust_root)

    def catalog(self) -> Catalog:
        return catalogs.load().with_components(self.components)

    def built_components(self) -> tuple[str, ...]:
        """Return the components of all packages, the default ones first."""
        packages = self.catalog_packages(catalogs.load().packages) if self.packages else {}
        others = (spec.component for spec in packages.values() if spec.component)
        return tuple(dict.fromkeys(["kubernetes", "cri-tools", "cni", *others]))

    def _other_programs(self) -> tuple[str, ...]:
        """Return the binaries that packages contain and the catalog does not name, as COMPONENT/NAME."""
        if not self.packages:
            return ()
        components = self.catalog().components
        programs = {
            f"{spec.component}/{row.binary}"
            for spec in self.catalog_packages(catalogs.load().packages).values()
            for row in spec.files
            if row.binary and components[spec.component].has_single_files
            if row.binary not in components[spec.component].binaries
        }
        return tuple(sorted(programs))

    def as_document(self) -> dict[str, Any]:
        """Return the settings as kubeparcel.yaml would state them; rows have only the fields that are set."""
        rows = {
            key: {
                name: spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
                for name, spec in getattr(self, key).items()
            }
            for key in ("packages", "components")
        }
        document = {**self.model_dump(mode="json", by_alias=True), **rows}
        return document if self.releases else {key: value for key, value in document.items() if key != "releases"}

    def catalog_packages(self, catalog: Mapping[str, PackageSpec]) -> dict[str, PackageSpec]:
        """Return the packages to build: the catalog's, but optional ones only if named, and the user's own."""
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
    return settings_of(options, YamlFile.read(base / FILE_NAME), base)


def settings_of(options: Mapping[str, Any], file: YamlFile, base: Path, without: Collection[str] = ()) -> Settings:
    """Return the settings of a file, as `load_settings` does; options and variables do not set those in `without`."""
    fields = [name for name in Settings.model_fields if name not in without]
    values, origins = merge_layers(options, file, fields)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise explain(error, origins, file, Settings.model_json_schema()) from None
    settings._base = base
    if settings.components:
        check_components(settings.components, catalogs.load(), settings.arch, file)
        check_versions(file)
    if settings.packages:
        catalog = settings.catalog()
        merged = settings.catalog_packages(catalog.packages)
        check_packages(settings.packages, merged, catalog, settings.cni_bin_dir, file)
    trees = settings.tree_folders()
    if (settings.patches or settings.version_suffix or trees) and not settings.releases:
        built = settings.built_components()
        for key, components in (("patches", settings.patches), ("trees", trees)):
            check_compiled(key, components, built, settings.catalog(), file)
        check_patches(settings.patches, settings.version_suffix, file, trees=bool(trees))
        check_trees(trees, settings.patches, file)
    return settings


def setting_origins(options: Mapping[str, Any]) -> dict[str, str]:
    """Return the origin of each setting by its key: `default`, `kubeparcel.yaml:LINE`, a variable or an option."""
    file = YamlFile.read(Path.cwd() / FILE_NAME)
    _, origins = merge_layers(options, file, Settings.model_fields)
    return {yaml_key(field): origins.get(yaml_key(field), "default") for field in Settings.model_fields}
