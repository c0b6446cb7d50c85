"""Architectures, package formats and versions: values without I/O."""

from __future__ import annotations

import platform
from enum import StrEnum

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


PACKAGE_SUFFIXES = tuple(f".{format_}" for format_ in Format)
"""The suffixes of package files."""

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


TIMESTAMP_LIMIT = 2**32
"""The first time stamp that rpm's build time and gzip's header cannot express."""
