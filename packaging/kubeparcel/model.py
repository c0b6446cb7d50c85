"""The nouns: architectures, formats, versions, artifacts. Frozen values, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

import semver

from kubeparcel.errors import UnknownVersion


class Arch(StrEnum):
    """A processor architecture by Go's name, which is also upstream's."""

    AMD64 = "amd64"
    ARM64 = "arm64"
    PPC64LE = "ppc64le"
    S390X = "s390x"

    @property
    def deb(self) -> str:
        """Debian's name (dpkg-architecture)."""
        return {"ppc64le": "ppc64el"}.get(self.value, self.value)

    @property
    def rpm(self) -> str:
        """The name in rpm (rpm --eval %_arch)."""
        return {"amd64": "x86_64", "arm64": "aarch64"}.get(self.value, self.value)

    @property
    def elf_machine(self) -> int:
        """The e_machine of its ELF files (System V ABI)."""
        return {"amd64": 62, "arm64": 183, "ppc64le": 21, "s390x": 22}[self.value]


class Format(StrEnum):
    """A package format."""

    DEB = "deb"
    RPM = "rpm"

    def arch_name(self, arch: Arch | None) -> str:
        """The format's own name of an architecture; None is a package for all of them."""
        if arch is None:
            return {"deb": "all", "rpm": "noarch"}[self.value]
        return arch.deb if self is Format.DEB else arch.rpm

    def file_name(self, name: str, version: str, revision: str, arch: Arch | None) -> str:
        """The file name dpkg and rpm users expect; `version` is the format's own (with `~`)."""
        glue = "_" if self is Format.DEB else "."
        first = "_" if self is Format.DEB else "-"
        return f"{name}{first}{version}-{revision}{glue}{self.arch_name(arch)}.{self.value}"


class Version(semver.Version):
    """A release of Kubernetes, cri-tools or the CNI plugins: X.Y.Z with an optional pre-release."""

    @classmethod
    def parse(cls, text: str | bytes, optional_minor_and_patch: bool = False) -> Version:
        """Read `1.36.3`, `v1.36.3` or `1.37.0-rc.1`; raises UnknownVersion."""
        try:
            plain = str(text).strip().removeprefix("v")
            return super().parse(plain, optional_minor_and_patch=optional_minor_and_patch)
        except ValueError:
            raise UnknownVersion(
                f"{text!r} is not a version.", "Write it like 1.36.3, v1.36.3 or 1.37.0-rc.1."
            ) from None

    def next_patch(self) -> Version:
        """The patch release after this one."""
        return Version(self.major, self.minor, self.patch + 1)

    @property
    def series(self) -> str:
        """The minor it belongs to, such as `1.36`."""
        return f"{self.major}.{self.minor}"

    @property
    def package_version(self) -> str:
        """The upstream part of a package's version: `~` sorts a pre-release before its final."""
        return str(self).replace("-", "~", 1).replace("-", ".")


@dataclass(frozen=True)
class Artifact:
    """One thing to get: a file of upstream's, or the binaries of one Go module.

    `digest` is `sha256:HEX` of the file, or `h1:BASE64` as Go's checksum database has it.
    `origin` is its https address, or `MODULE@vVERSION`.
    """

    component: str
    name: str
    arch: Arch
    origin: str
    digest: str

    @property
    def label(self) -> str:
        """What a person calls it: `kubelet 1.36.3 amd64` without the version."""
        return f"{self.name} {self.arch}"


@dataclass(frozen=True)
class Component:
    """One upstream project at one version, with what has to be got for each architecture.

    `released` is the release's own date in seconds since 1970; packages carry it as their time.
    """

    name: str
    version: Version
    released: int
    artifacts: tuple[Artifact, ...]


@dataclass(frozen=True)
class Request:
    """What was asked for, before anyone looked up exact versions."""

    kubernetes: str = "stable"
    cri_tools: str = ""
    cni: str = ""
    arches: tuple[Arch, ...] = (Arch.AMD64,)
    source: str = "auto"
    mirror: str = ""


@dataclass(frozen=True)
class Lock:
    """A request and its exact answer: the only input of a build besides the settings."""

    request: Request
    source: str
    components: tuple[Component, ...]
    toolchain: str = ""
    warnings: tuple[str, ...] = field(default=(), compare=False)

    def component(self, name: str) -> Component:
        """The component of that name; raises KeyError."""
        for component in self.components:
            if component.name == name:
                return component
        raise KeyError(name)

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """All that has to be got."""
        return tuple(a for c in self.components for a in c.artifacts)


Binaries: TypeAlias = Mapping[tuple[str, Arch], Mapping[str, str]]
"""What was got: for a component and architecture, each binary's name and sha256."""
