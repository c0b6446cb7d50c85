"""The components of the catalog: upstream projects, where they publish files, and how Go compiles them."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from kubeparcel.config.field_types import KubernetesRange, StrictModel, VersionRange
from kubeparcel.model import Version


class PairSpec(StrictModel):
    """The release of a component that belongs to a range of Kubernetes versions."""

    kubernetes: KubernetesRange = VersionRange()
    version: str


class UpstreamSpec(StrictModel):
    """The URL of upstream's files, for a range of the component's own versions."""

    versions: KubernetesRange = VersionRange()
    binary: str = Field("", description="URL of each binary")
    archive: str = Field("", description="URL of one archive with all binaries")


class SignatureSpec(StrictModel):
    """Who signs upstream's files, for a range of the component's own versions.

    `identity` and `issuer` are the account and its provider in the certificate, `log` the URL of the
    transparency log. `source` documents them.
    """

    versions: KubernetesRange = VersionRange()
    identity: str
    issuer: str
    log: str
    source: str


class GoSpec(StrictModel):
    """How Go compiles a component: its module, main packages and link-time variables (`stamps`).

    `folder` is the module's folder in its repository. `siblings` is the version of the modules that the
    module replaces by other folders of its repository, if these are published as well. `unused` are
    modules that it replaces by a folder that does not exist, so that nobody imports them.
    """

    module: str
    folder: str = ""
    siblings: str = ""
    unused: tuple[str, ...] = ()
    mains: tuple[str, ...]
    skip: tuple[str, ...] = ()
    stamps: Mapping[str, str] = {}


class ComponentSpec(StrictModel):
    """An upstream project. If `binaries` is empty, a release decides which it has.

    `checksums` is the name of the file with SHA-256 checksums next to a file of upstream.
    """

    title: str
    binaries: tuple[str, ...] = ()
    pairs: tuple[PairSpec, ...] = ()
    upstream: tuple[UpstreamSpec, ...]
    checksums: str = "{file}.sha256"
    signatures: tuple[SignatureSpec, ...] = ()
    go: GoSpec
    weight: int = Field(1, ge=1, description="time that compiling takes, in relation to others, until it is measured")

    def signature_of(self, version: Version) -> SignatureSpec | None:
        """Return who signs the files of a version; None if upstream does not sign them."""
        return next((row for row in self.signatures if row.versions.contains(version)), None)

    @property
    def has_single_files(self) -> bool:
        """Whether upstream publishes each binary as a file, so that any of them can be fetched by its name."""
        return bool(self.binaries) and all(location.binary for location in self.upstream)
