"""A published package, and the files about it that are next to it."""

from __future__ import annotations

from collections.abc import Sequence
from sys import intern
from typing import Any, NamedTuple

from kubeparcel.model import Format
from kubeparcel.packages.versions import version_key

ARCH_INDEPENDENT = {Format.DEB: "all", Format.RPM: "noarch"}
_FORMATS = {str(format_): format_ for format_ in Format}


class Package(NamedTuple):
    """A published package file. A tuple, because a repository may contain ten thousand.

    `version` includes epoch and revision or release. `sha256` and `size` (bytes) are of the
    published file. `content_digest` does not change when a package is signed: it is the SHA-256
    of an RPM's main header, or of a whole deb. `dependencies` are written as in a deb's Depends.
    `path` is relative to `apt/` for debs, and to the suite's folder for RPMs.
    """

    format: Format
    name: str
    version: str
    arch: str
    sha256: str
    size: int
    content_digest: str
    dependencies: str
    path: str

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Package:
        """Return the package with these fields; equal texts become one object, which takes half of the memory."""
        format_, name, version, arch, sha256, size, content_digest, dependencies, path = row
        digest = sha256 if content_digest == sha256 else content_digest
        known = _FORMATS[format_]
        return cls(known, intern(name), version, intern(arch), sha256, size, digest, intern(dependencies), path)

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """Return format, name, version and architecture: a repository has one file of each."""
        return (self.format, self.name, self.version, self.arch)

    @property
    def version_key(self) -> tuple[object, ...]:
        """Return a key that sorts packages of one format by version, as the format does."""
        return version_key(self.format, self.version)

    def fits(self, arch: str) -> bool:
        """Return whether packages for `arch` can use the package; independent ones accept any architecture."""
        independent = ARCH_INDEPENDENT[self.format]
        return arch == independent or self.arch in (arch, independent)

    @property
    def unrevised_version(self) -> str:
        """Return the version without its revision or release."""
        return self.version.rpartition("-")[0] or self.version

    def repository_path(self, suite: str) -> str:
        """Return the file's path in the repository; all suites share the pool of debs."""
        return f"apt/{self.path}" if self.format is Format.DEB else f"yum/{suite}/{self.path}"

    @property
    def label(self) -> str:
        """Return the package as messages name it: `kubelet 1.36.3-1 amd64 (deb)`."""
        return f"{self.name} {self.version} {self.arch} ({self.format})"


STATEMENT_SUFFIX = ".intoto.jsonl"
SBOM_SUFFIXES = (".cdx.json", ".spdx.json")
ADVISORY_SUFFIX = ".openvex.json"
SIDE_SUFFIXES = (STATEMENT_SUFFIX, *SBOM_SUFFIXES, ADVISORY_SUFFIX)
"""What is appended to a package's path: for its signed statement of provenance, its SBOMs, and what it fixes."""


def split_side_path(path: str) -> tuple[str, str]:
    """Return the path of a package and the suffix of the file next to it; no suffix for other paths."""
    suffix = next((suffix for suffix in SIDE_SUFFIXES if path.endswith(suffix)), "")
    return path.removesuffix(suffix), suffix


SideFileKey = tuple[str, str]
"""The SHA-256 of a package and the suffix of a file about it."""
