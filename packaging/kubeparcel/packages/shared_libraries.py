"""The relations that a binary's shared libraries need, in the notation of each format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from kubeparcel.errors import ConfigurationError
from kubeparcel.model import Format

GLIBC = ("libc.so", "libpthread.so", "libdl.so", "libm.so", "librt.so", "libresolv.so", "ld")
"""The prefixes of the libraries in Debian's libc6."""


def library_relations(path: Path, name: str) -> Mapping[str, list[str]]:
    """Return the relations by format; none for a static binary or a file that is not ELF.

    `name` names the file in errors. Raises ConfigurationError for a library outside glibc.
    """
    from kubeparcel.packages import elf

    binary = elf.read_file(path, name)
    if binary is None or binary.is_static:
        return {}
    unknown = [lib for lib in binary.libraries if not lib.startswith(GLIBC)]
    if unknown:
        raise ConfigurationError(
            f"{name} needs {', '.join(unknown)}, which no known package provides.",
            "Add the dependency to the package in kubeparcel.yaml, and use a static binary.",
        )
    bound = f" (>= {binary.glibc})" if binary.glibc else ""
    return {
        Format.DEB: [f"libc6{bound}"],
        Format.RPM: list(_rpm(binary.libraries, binary.symbol_versions, binary.bits)),
    }


def _rpm(sonames: Iterable[str], versions: Iterable[tuple[str, str]], bits: int) -> Iterable[str]:
    """Yield them as rpm's elfdeps does: libc.so.6()(64bit), libc.so.6(GLIBC_2.34)(64bit)."""
    width = "(64bit)" if bits == 64 else ""
    for soname in sonames:
        yield f"{soname}(){width}"
    for soname, version in versions:
        yield f"{soname}({version}){width}"
