"""Architectures, formats, versions, artifacts and locks: frozen values without I/O."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

import semver

from kubeparcel.errors import UnknownVersion


class Arch(StrEnum):
    """A processor architecture, by the name that Go and upstream use."""

    AMD64 = "amd64"
    ARM64 = "arm64"
    PPC64LE = "ppc64le"
    S390X = "s390x"

    @classmethod
    def _missing_(cls, value: object) -> Arch | None:
        """Return the architecture of another of its names, such as `x86_64`."""
        names = {name: arch for arch in cls for name in (arch.deb, arch.rpm)}
        return names.get(str(value).lower().replace("-", "_"))

    @classmethod
    def native(cls) -> Arch:
        """Return this machine's architecture; raises ValueError for one that has no packages."""
        return cls(platform.machine())

    @property
    def deb(self) -> str:
        """Debian's name (dpkg-architecture)."""
        return {"ppc64le": "ppc64el"}.get(self.value, self.value)

    @property
    def rpm(self) -> str:
        """RPM's name (rpm --eval %_arch)."""
        return {"amd64": "x86_64", "arm64": "aarch64"}.get(self.value, self.value)

    @property
    def elf_machine(self) -> int:
        """The e_machine of its ELF files (System V ABI)."""
        return {"amd64": 62, "arm64": 183, "ppc64le": 21, "s390x": 22}[self.value]


class Format(StrEnum):
    """A package format."""

    DEB = "deb"
    RPM = "rpm"

    __hash__ = str.__hash__  # that of Enum is a Python function, called for every package in every set

    def arch_name(self, arch: Arch | None) -> str:
        """Return the format's name of an architecture; None means architecture-independent."""
        if arch is None:
            return {"deb": "all", "rpm": "noarch"}[self.value]
        return arch.deb if self is Format.DEB else arch.rpm

    def file_name(self, name: str, version: str, revision: str, arch: Arch | None) -> str:
        """Return the conventional file name; `version` is in the format's notation (with `~`)."""
        if self is Format.DEB:
            return f"{name}_{version}-{revision}_{self.arch_name(arch)}.deb"
        return f"{name}-{version}-{revision}.{self.arch_name(arch)}.rpm"


DIRTY = "-dirty"
"""The end of the version of a git tree with changes that are not committed."""


def upstream_notation(version: str) -> str:
    """Return upstream's notation of the version of a package: `1.37.0-rc.1` for `1.37.0~rc.1`."""
    release, plus, build = version.partition("+")
    dirty = build.endswith(DIRTY.replace("-", "."))
    return release.replace("~", "-", 1) + plus + (build[: -len(DIRTY)] + DIRTY if dirty else build)


class Version(semver.Version):
    """A release of Kubernetes, cri-tools or the CNI plugins: X.Y.Z with an optional pre-release."""

    @classmethod
    def parse(cls, text: str | bytes, optional_minor_and_patch: bool = False) -> Version:
        """Parse `1.36.3`, `v1.36.3` or `1.37.0-rc.1`; raise UnknownVersion."""
        try:
            plain = str(text).strip().removeprefix("v")
            return super().parse(plain, optional_minor_and_patch=optional_minor_and_patch)
        except ValueError:
            raise UnknownVersion(
                f"Invalid version {text!r}.", "Expected a version like 1.36.3, v1.36.3 or 1.37.0-rc.1."
            ) from None

    @property
    def release(self) -> Version:
        """The version without build metadata, as upstream publishes it."""
        return self.with_suffix("")

    def with_suffix(self, suffix: str) -> Version:
        """Return the version with build metadata; without any for an empty one."""
        return Version(self.major, self.minor, self.patch, self.prerelease, suffix or None)

    def next_patch(self) -> Version:
        """Return the next patch release."""
        return Version(self.major, self.minor, self.patch + 1)

    @property
    def series(self) -> str:
        """The minor version, such as `1.36`."""
        return f"{self.major}.{self.minor}"

    @property
    def after_major(self) -> str:
        """All but the major version, such as `36.3` or `37.0-rc.1`: staging modules of v1.36.3 are v0.36.3."""
        return str(self).partition(".")[2]

    @property
    def package_version(self) -> str:
        """The upstream part of a package version; `~` sorts a pre-release before the final one."""
        pre_release, build = (text.replace("-", ".") if text else "" for text in (self.prerelease, self.build))
        return str(self.finalize_version()) + f"~{pre_release}" * bool(pre_release) + f"+{build}" * bool(build)

    @property
    def is_dirty(self) -> bool:
        """Whether it was compiled from a git tree with changes that are not committed."""
        return (self.build or "").endswith(DIRTY)


@dataclass(frozen=True)
class Signature:
    """The signer of a file, from its verified signature.

    `identity` is the signer's account, `issuer` the provider that authenticated it. `log_index` is
    the position in the transparency log, `time` that of the log entry in seconds since 1970 (0 if
    another time stamp was used).
    """

    identity: str
    issuer: str
    log_index: int
    time: int = 0

    def __str__(self) -> str:
        return f"{self.identity} ({self.issuer}), log entry {self.log_index}"


UNCHECKED = "none"
"""The `checksum` of a Go module whose sum was not checked against a checksum database."""

STATED = "settings"
"""The `checksum` of a file whose digest is in kubeparcel.yaml."""


@dataclass(frozen=True)
class Artifact:
    """A file to download from upstream, or the Go module of some binaries.

    `origin` is the URL of the file, or `MODULE@vVERSION`. `digest` is `sha256:HEX` of the file, or
    the module's sum, `h1:BASE64`. `checksum` is what the digest was checked against when the version
    was resolved: for files `sha512` or `sha1` if upstream publishes no SHA-256, and `settings` if the
    digest is the user's; for modules the name of the checksum database or `none`. It is empty for
    upstream's SHA-256, and in locks that do not record it. `signature` is set if a signature of the
    file was verified. For the module of a git tree, `commit` is the commit, `repository` the URL of its
    remote if there is one, and `digest` is `gitTree:HEX`, git's id of all files that were compiled.
    """

    component: str
    name: str
    arch: Arch
    origin: str
    digest: str
    checksum: str = ""
    signature: Signature | None = None
    commit: str = ""
    repository: str = ""

    @property
    def is_module(self) -> bool:
        """Whether this is a Go module, not a file."""
        return self.digest.startswith("h1:")

    @property
    def label(self) -> str:
        """The name for messages, such as `kubelet amd64`."""
        return f"{self.name} {self.arch}"


@dataclass(frozen=True)
class Component:
    """An upstream project at one version, with its artifacts for each architecture.

    `released` is the release date in seconds since 1970; it becomes the time stamp of packages.
    `remarks` are what users should know about how its files were verified.
    """

    name: str
    version: Version
    released: int
    artifacts: tuple[Artifact, ...]
    remarks: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Patch:
    """A change to the source of a component, as `git diff` and `git format-patch` write it.

    `location` is a path relative to kubeparcel.yaml, or an https URL; `sha256` the digest of the file in
    hexadecimal. `versions` is the range of the component's versions to patch, such as
    `>=1.36.0 <1.37.0`; all if it is empty. Up to `fuzz` lines at each end of a hunk's context need not match.
    """

    component: str
    location: str
    sha256: str
    versions: str = ""
    fuzz: int = 0

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.location.rpartition("/")[2]

    @property
    def key(self) -> str:
        """What decides the bytes of patched binaries."""
        return f"{self.sha256} fuzz {self.fuzz}" if self.fuzz else self.sha256

    def as_document(self) -> dict[str, str | int]:
        """Return the file, its digest, and fuzz that is allowed, by the keys of provenance.json."""
        return {"file": self.location, "sha256": self.sha256, **({"fuzz": self.fuzz} if self.fuzz else {})}


@dataclass(frozen=True)
class BuildVariant:
    """How binaries are compiled, where it differs from the default.

    `fips` links Go's FIPS 140-3 module; `amd64` is the lowest level of x86-64 processors that run the
    binaries (GOAMD64). `suffix` is the build metadata of patched versions, without `+`. `debug` adds files with
    debug symbols, and does not change the binaries.
    """

    fips: bool = False
    amd64: str = "v1"
    suffix: str = ""
    patches: tuple[Patch, ...] = ()
    debug: bool = False

    @property
    def is_set(self) -> bool:
        """Whether anything differs from the default."""
        return self != BuildVariant()

    def version_suffix(self, *, patched: bool) -> str:
        """Return the build metadata of a version, such as `fips.acme.1` of 1.36.3+fips.acme.1."""
        return ".".join(filter(None, ["fips" if self.fips else "", self.suffix if patched else ""]))

    def as_document(self) -> dict[str, bool | str]:
        """Return the settings of the compiler that differ from the default, by the keys of `go` in kubeparcel.yaml."""
        values: dict[str, bool | str] = {"fips": self.fips, "amd64": self.amd64, "debug": self.debug}
        return {name: value for name, value in values.items() if value not in (False, "v1")}


@dataclass(frozen=True)
class Checkout:
    """The state of a git checkout of a component's repository.

    `tree` is git's id of all files, `changes` are those that differ from the commit, `released` is the
    time of the commit in seconds since 1970. `tag` is the nearest version tag, `distance` the number of
    commits since then. `repository` is the URL of its remote, `files` the text of those that describe its modules.
    """

    folder: Path
    commit: str
    tree: str
    released: int
    tag: str = ""
    distance: int = 0
    shallow: bool = False
    changes: tuple[str, ...] = ()
    repository: str = ""
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The digest of all files, as kubeparcel.lock has it."""
        return f"gitTree:{self.tree}"


@dataclass(frozen=True)
class InputPolicy:
    """Which of upstream's files are accepted.

    `trust_root` is the path of a file with the certificates and keys that signatures are verified
    with; by default those of the public Sigstore instance.
    """

    require_signatures: bool = False
    accept_sha1: bool = False
    trust_root: str = ""


@dataclass(frozen=True)
class Request:
    """The requested versions, before they are resolved.

    `versions` are those of other components than Kubernetes by name; an empty one is the version that
    fits, one like 3.6 the newest patch. `programs` are binaries that the catalog does not name, such as
    `kubernetes/kubectl-convert`. `components` are the rows of kubeparcel.yaml that define a component.
    `trees` are the git checkouts that components are compiled from.
    """

    kubernetes: str = "stable"
    versions: Mapping[str, str] = field(default_factory=dict)
    arches: tuple[Arch, ...] = (Arch.AMD64,)
    source: str = "auto"
    mirror: str = ""
    programs: tuple[str, ...] = ()
    variant: BuildVariant = BuildVariant()
    policy: InputPolicy = field(default=InputPolicy(), compare=False)
    components: Mapping[str, Any] = field(default_factory=dict)
    trees: Mapping[str, Checkout] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Lock:
    """A request and the exact versions and digests it resolved to."""

    request: Request
    source: str
    components: tuple[Component, ...]
    toolchain: str = ""
    warnings: tuple[str, ...] = field(default=(), compare=False)

    def component(self, name: str) -> Component:
        """Return a component by name; raise KeyError."""
        for component in self.components:
            if component.name == name:
                return component
        raise KeyError(name)

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """The artifacts of all components."""
        return tuple(a for c in self.components for a in c.artifacts)


DEBUG_SUFFIX = ".debug"
"""The end of the names of files with the debug symbols of a binary, beside it in Binaries."""

Binaries: TypeAlias = Mapping[tuple[str, Arch], Mapping[str, str]]
"""The SHA-256 of each fetched binary: {(component, architecture): {name: sha256}}."""
