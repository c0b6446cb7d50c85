"""The architectures that package files may be for, by the names of dpkg and rpm."""

from __future__ import annotations

from collections.abc import Mapping

from kubeparcel.model import Arch

# fmt: off
DEB_ARCHITECTURES = frozenset((
    "all", "alpha", "amd64", "arc", "arm64", "armel", "armhf", "hppa", "i386", "ia64", "loong64",
    "m68k", "mips64el", "mipsel", "powerpc", "ppc64", "ppc64el", "riscv64", "s390x", "sh4",
    "sparc64", "x32",
))
RPM_ARCHITECTURES = frozenset((
    "noarch", "aarch64", "armv6hl", "armv7hl", "i386", "i486", "i586", "i686", "loongarch64",
    "ppc64", "ppc64le", "riscv64", "s390x", "x86_64",
))
# fmt: on
_COMMON_NAMES: Mapping[str, str] = {
    **{name: arch.value for arch in Arch for name in (arch.deb, arch.rpm)},
    "noarch": "all",
}


def common_name(arch: str) -> str:
    """Return upstream's name, or `all`, for a name of dpkg or rpm; others' architectures are returned unchanged."""
    return _COMMON_NAMES.get(arch, arch)
