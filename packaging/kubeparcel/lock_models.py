"""What a build takes from outside: a request, the lock it resolved to, and its artifacts. Frozen values without I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from kubeparcel.model import Arch, Version


@dataclass(frozen=True)
class Signature:
    """The signer of a file, from its verified signature.

    `identity` is the signer's account, `issuer` the provider that authenticated it. `log_index` is the position in the
    transparency log, `time` that of the log entry in seconds since 1970 (0 if another time stamp was used).
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

    `origin` is the URL of the file, or `MODULE@vVERSION`. `digest` is `sha256:HEX` of the file, or the module's sum,
    `h1:BASE64`. `checksum` is what the digest was checked against when the version was resolved: for files `sha512` or
    `sha1` if upstream publishes no SHA-256, and `settings` if the digest is the user's; for modules the name of the
    checksum database or `none`. It is empty for upstream's SHA-256, and in locks that do not record it. `signature` is
    set if a signature of the file was verified. For the module of a git tree, `commit` is the commit, `repository` the
    URL of its remote if there is one, and `digest` is `gitTree:HEX`, git's id of all files that were compiled.
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
    def module_version(self) -> Version:
        """The version of a Go module."""
        return Version.parse(self.origin.rpartition("@v")[2])

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
        return tuple(a for c in self.components for a in c.artifacts)


DEBUG_SUFFIX = ".debug"
"""The end of the names of files with the debug symbols of a binary, next to it in Binaries."""

Binaries: TypeAlias = Mapping[tuple[str, Arch], Mapping[str, str]]
"""The SHA-256 of each fetched binary: {(component, architecture): {name: sha256}}."""
