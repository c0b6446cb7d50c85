"""The Go modules that are linked into a package's binaries.

rpms provide `bundled(golang(MODULE)) = VERSION`, as Fedora's guidelines ask for. Debs have no field for them:
Static-Built-Using may only name source packages (deb-control(5)).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from kubeparcel.packages.model import GoBuildInfo, GoModule

BUNDLED = "bundled(golang("
"""The start of the name that an rpm provides for a module."""

STANDARD_LIBRARY = "stdlib"
"""The standard library's name in vulnerability databases and package URLs."""


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
    """Return what an rpm with these modules provides, sorted."""
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
