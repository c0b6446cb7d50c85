"""What is linked into the binaries of a package: Go modules and shared libraries, and the relations that follow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from kubeparcel.errors import ConfigurationError
from kubeparcel.model import Format
from kubeparcel.packages.model import GoBuildInfo, GoModule

BUNDLED = "bundled(golang("
"""The start of the name that an rpm provides for a module."""

STANDARD_LIBRARY = "stdlib"
"""The standard library's name in vulnerability databases and package URLs."""

GLIBC = ("libc.so", "libpthread.so", "libdl.so", "libm.so", "librt.so", "libresolv.so", "ld")
"""The prefixes of the libraries in Debian's libc6."""


class LinkedModule(NamedTuple):
    """A module by its path and version, without `v`; the version is empty for code outside any module version."""

    path: str
    version: str


def linked_modules(go: GoBuildInfo) -> Iterator[LinkedModule]:
    """Yield the modules in a binary except its own, and the standard library."""
    yield LinkedModule(STANDARD_LIBRARY, toolchain_version(go))
    yield from (LinkedModule(module_path(module), module_version(module)) for module in go.dependencies)


def toolchain_version(go: GoBuildInfo) -> str:
    """Return the version of Go: `1.26.8` for `go1.26.8 X:experiment`."""
    return go.version.split(" ")[0].removeprefix("go")


def module_path(module: GoModule) -> str:
    """Return a module's path; for a folder on the build machine, that of the module it replaces."""
    return module.replaced if is_local(module) and module.replaced else module.path


def module_version(module: GoModule) -> str:
    """Return a module's version without `v`; empty if it is unknown."""
    return module.version[1:] if module.version.startswith("v") and not is_local(module) else ""


def is_local(module: GoModule) -> bool:
    """Return whether a `replace` line names a folder instead of a module."""
    return module.path.startswith((".", "/"))


def read_linked_modules(path: Path, name: str) -> list[LinkedModule]:
    """Return the modules of a file; none if Go did not build it. `name` names it in errors."""
    from kubeparcel.packages import elf

    binary = elf.read_file(path, name)
    return list(linked_modules(binary.go)) if binary and binary.go else []


def bundled_modules(modules: Iterable[LinkedModule]) -> list[str]:
    """Return what an rpm with these modules provides, sorted: `bundled(golang(MODULE)) (= VERSION)` (Fedora's rule).

    Debs have no field for modules: Static-Built-Using may only name source packages (deb-control(5)).
    """
    provides = []
    for path, version in sorted(set(modules)):
        name = f"{BUNDLED}{path}))"
        provides.append(f"{name} (= {rpm_version(version)})" if version else name)
    return provides


def rpm_version(version: str) -> str:
    """Return a module's version without the dashes that rpm does not permit.

    `0.0.0-20250102033503-faa5f7b0171c` becomes `0.0.0~20250102033503.faa5f7b0171c`, which sorts before 0.0.0 too.
    """
    return version.replace("-", "~", 1).replace("-", ".")


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
    # As rpm's elfdeps writes them: libc.so.6()(64bit), libc.so.6(GLIBC_2.34)(64bit).
    width = "(64bit)" if binary.bits == 64 else ""
    versions = [*((soname, "") for soname in binary.libraries), *binary.symbol_versions]
    return {Format.DEB: [f"libc6{bound}"], Format.RPM: [f"{soname}({version}){width}" for soname, version in versions]}
