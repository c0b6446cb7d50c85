"""Components: upstream projects, where they publish files, and how Go compiles them.

The same rows are in the catalog and in the user's `components:`, where they define new ones or change the catalog's.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from kubeparcel.config.field_types import KubernetesRange, Pattern, SingleLine, StrictModel, VersionRange, exact_version
from kubeparcel.config.setting_types import QuotedVersion
from kubeparcel.model import Arch, Version

VERSION_FIELDS = ("version", *(f"version.{part}" for part in ("major", "minor", "patch", "series", "after_major")))
ARCH_FIELDS = ("arch", "arch.deb", "arch.rpm")
SERIES = re.compile(r"\d+\.\d+")


def _placeholders(*names: str) -> AfterValidator:
    """Return a validator of text in which only these names are in braces."""

    def check(text: str) -> str:
        unknown = [name for name in re.findall(r"\{([^{}]*)\}", text) if name not in names]
        if unknown or re.search(r"[{}]", re.sub(r"\{[^{}]*\}", "", text)):
            raise ValueError(f"unknown placeholder in {text!r}: use {', '.join(f'{{{name}}}' for name in names)}")
        return text

    return AfterValidator(check)


def component_version(text: str) -> str:
    """Return an exact version or a minor, without a leading v, or empty text; raise ValueError."""
    plain = text.strip().removeprefix("v")
    if "+" in plain:
        raise ValueError(f"invalid version {text!r}: only version-suffix adds build metadata (+…)")
    return plain if SERIES.fullmatch(plain) else exact_version(plain)


def _url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("", "http", "https") or (url and not parts.hostname):
        raise ValueError(f"invalid URL {url!r}: expected https://HOST/PATH")
    if parts.username is not None or parts.fragment or not re.fullmatch(r"[!-~]*", url):
        raise ValueError("invalid URL: expected no credentials, no # and no spaces, because kubeparcel.lock records it")
    return url


ComponentVersion = Annotated[str, QuotedVersion, AfterValidator(component_version)]
ComponentName = Annotated[str, Pattern(r"[a-z0-9][a-z0-9-]*", "a lowercase name like etcd or my-tool")]
BinaryName = Annotated[str, Pattern(r"[A-Za-z0-9][A-Za-z0-9._-]*", "a name like kubectl-convert")]
UpstreamUrl = Annotated[str, AfterValidator(_url), _placeholders(*VERSION_FIELDS, *ARCH_FIELDS, "name")]
Digest = Annotated[str, Pattern(r"[0-9a-f]{64}", "the 64 digits that sha256sum prints")]
Module = Annotated[str, Pattern(r"[\w.~-]+(/[\w.~-]+)*|", "the path of a Go module, such as example.com/tool/v2")]
Stamp = Annotated[
    str, Pattern(r"[!#-&(-~]*", "a value without spaces and quotes"), _placeholders(*VERSION_FIELDS, "date")
]
MainFolder = Annotated[
    str,
    Pattern(r"\.|(?!.*\.\.)[\w.{}*-]+(/[\w.{}*-]+)*", "a folder of the module, such as cmd/{name}"),
    _placeholders("name"),
]


class PairSpec(StrictModel):
    """The release of a component that belongs to a range of Kubernetes versions."""

    kubernetes: KubernetesRange = Field(VersionRange(), description="Kubernetes versions, such as >=1.28.0 <1.32.0")
    version: Annotated[str, QuotedVersion, AfterValidator(lambda v: v if v == "minor" else exact_version(v))] = Field(
        description="version of the component, or minor: the newest patch of Kubernetes' own minor"
    )


class UpstreamSpec(StrictModel):
    """The URL of upstream's files, for a range of the component's own versions."""

    versions: KubernetesRange = Field(VersionRange(), description="only for these versions of the component")
    binary: UpstreamUrl = Field("", description="URL of each binary, with {version}, {arch} and {name}")
    archive: UpstreamUrl = Field("", description="URL of one tar archive with all binaries")
    sha256: Mapping[Arch, Digest] = Field(
        {}, description="digest of the file for each architecture, if upstream publishes no file with checksums"
    )

    @model_validator(mode="after")
    def _check_content(self) -> UpstreamSpec:
        if bool(self.binary) is bool(self.archive):
            raise ValueError("expected exactly one of binary, archive")
        return self

    @property
    def url(self) -> str:
        """The URL of each binary or of the archive."""
        return self.binary or self.archive


class SignatureSpec(StrictModel):
    """Who signs upstream's files, for a range of the component's own versions.

    `identity` and `issuer` are the account and its provider in the certificate, `log` the URL of the
    transparency log. `source` documents them.
    """

    versions: KubernetesRange = Field(VersionRange(), description="only for these versions of the component")
    identity: str = Field(description="account in the certificate")
    issuer: str = Field(description="provider that authenticated the account")
    log: str = Field(description="URL of the transparency log")
    source: str = Field("", description="URL of the documentation")


class GoSpec(StrictModel):
    """How Go compiles a component: its module, main packages and link-time variables (`stamps`).

    `folder` is the module's folder in its repository. `siblings` is the version of the modules that the module replaces
    by other folders of its repository, if these are published as well. `unused` are modules that it replaces by a
    folder that does not exist, so that nobody imports them. `tree_stamps` are the variables that differ in a git tree.
    """

    module: Module = Field("", description="path of the Go module")
    folder: str = Field("", description="folder of the module in its repository, for patches")
    siblings: Annotated[str, _placeholders(*VERSION_FIELDS)] = Field(
        "", description="version of the modules that go.mod replaces by folders of the repository, such as v{version}"
    )
    unused: tuple[Module, ...] = Field((), description="modules that go.mod replaces by a folder, and nobody imports")
    mains: tuple[MainFolder, ...] = Field((".",), description="folders of main packages, such as cmd/{name}")
    skip: tuple[str, ...] = Field((), description="names of main packages to leave out")
    stamps: Mapping[Annotated[str, Pattern(r"[\w./~-]+", "IMPORTPATH.NAME")], Stamp] = Field(
        {}, description="variables to set at link time (-X), such as main.version: v{version}"
    )
    tree_stamps: Mapping[str, str] = Field({}, description="variables that differ in a git tree: {commit}, {state}")


class ComponentSpec(StrictModel):
    """An upstream project, of the catalog or of the user. If `binaries` is empty, a release decides which it has.

    `checksums` is the name of the file with SHA-256 checksums next to a file of upstream.
    """

    version: ComponentVersion = Field(
        "", description='exact version, or a minor like "3.6" for its newest patch; else the one that fits Kubernetes'
    )
    override: bool = Field(False, description="replace fields of the catalog's component of this name")
    title: SingleLine = Field("", description="name in messages and packages")
    binaries: tuple[BinaryName, ...] = Field((), description="names of its programs")
    pairs: tuple[PairSpec, ...] = Field((), description="versions by Kubernetes version, instead of version")
    upstream: tuple[UpstreamSpec, ...] = Field((), description="where its files are published")
    checksums: Annotated[str, Pattern(r"[^/\s]+", "the name of a file"), _placeholders("file")] = Field(
        "{file}.sha256", description="file with SHA-256 checksums next to {file}, such as SHA256SUMS"
    )
    signatures: tuple[SignatureSpec, ...] = Field((), description="who signs its files with Sigstore")
    go: GoSpec = Field(GoSpec.model_validate({}), description="how Go compiles it")
    weight: int = Field(1, ge=1, description="time that compiling takes, in relation to others, until it is measured")

    @field_validator("pairs", "upstream", "signatures")
    @classmethod
    def _check_ranges(cls, rows: tuple[Any, ...]) -> tuple[Any, ...]:
        _check_disjoint([row.kubernetes if isinstance(row, PairSpec) else row.versions for row in rows])
        return rows

    @field_validator("upstream")
    @classmethod
    def _check_kinds(cls, rows: tuple[UpstreamSpec, ...]) -> tuple[UpstreamSpec, ...]:
        if len({bool(row.archive) for row in rows}) > 1:
            raise ValueError("expected binary in all rows, or archive in all rows")
        return rows

    def signature_of(self, version: Version) -> SignatureSpec | None:
        """Return who signs the files of a version; None if upstream does not sign them."""
        return next((row for row in self.signatures if row.versions.contains(version)), None)

    def version_in(self, url: str, name: str, arch: Arch) -> Version | None:
        """Return the version of an upstream file for an architecture, by its URL; None for another URL."""
        for location in self.upstream:
            pattern = re.escape(location.url)
            pattern = pattern.replace(r"\{version\}", r"(?P<version>[^/]+)", 1).replace(r"\{version\}", "(?P=version)")
            pattern = pattern.replace(r"\{arch\}", re.escape(arch)).replace(r"\{name\}", re.escape(name))
            if match := re.fullmatch(pattern, url):
                return Version.parse(match["version"])
        return None

    @property
    def has_archives(self) -> bool:
        """Whether upstream publishes an archive with all binaries."""
        return any(location.archive for location in self.upstream)

    @property
    def has_single_files(self) -> bool:
        """Whether upstream publishes each binary as a file, so that any of them can be fetched by its name."""
        return bool(self.binaries and self.upstream) and all("{name}" in location.binary for location in self.upstream)

    def source(self, preferred: str) -> str:
        """Return the source that has the component: the preferred one, unless only the other has it."""
        if preferred == "upstream" and not self.upstream:
            return "go"
        return "upstream" if preferred == "go" and not self.go.module else preferred

    def definition(self) -> dict[str, Any]:
        """Return the fields that are set, by their keys in YAML, without those that only choose a version."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"version", "override"})


def _check_disjoint(ranges: Sequence[VersionRange]) -> None:
    for first, second in itertools.combinations(ranges, 2):
        if first.overlaps(second):
            raise ValueError(f"two rows match the same versions: {first} and {second}")


def version_option(name: str) -> str:
    """Return the option that chooses the version of a component, up to the version."""
    return f"--{name} " if name in ("cri-tools", "cni") else f"--components {name}="
