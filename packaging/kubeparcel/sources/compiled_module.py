"""The module that is compiled: it requires upstream's, with upstream's own dependencies and sums."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kubeparcel.errors import ConfigurationError, UnknownVersion
from kubeparcel.model import Version
from kubeparcel.sources.patched_modules import SIBLING

if TYPE_CHECKING:
    from kubeparcel.config.component_models import ComponentSpec


def link_variables(spec: ComponentSpec, version: Version, date: str) -> dict[str, str]:
    """Return the variables to set at link time. The date is the module's, never today's."""
    return {name: value.format(version=version, date=date) for name, value in spec.go.stamps.items()}


def write_module(folder: Path, spec: ComponentSpec, version: Version, source: Path) -> None:
    """Write a module that requires the upstream one with upstream's own dependencies and sums.

    Upstream's replacements by folders of its repository become those by published modules.
    """
    if not (source / "go.mod").is_file():
        raise UnknownVersion(
            f"{spec.title} {version} is older than Go modules and cannot be compiled from them.",
            "Use --source upstream, or --mirror with a copy of upstream's files.",
        )
    text = (source / "go.mod").read_text("utf-8")
    text = re.sub(r"^module .*$", "module kubeparcel.invalid/build", text, flags=re.MULTILINE)
    for module in spec.go.unused:
        text = re.sub(rf"^[ \t]*(replace )?{re.escape(module)} => \S+\n", "", text, flags=re.MULTILINE)
    if spec.go.siblings:
        text = SIBLING.sub(rf"\1 => \1 {spec.go.siblings.format(version=version)}", text)
    if re.search(r"=> \.", text):
        raise ConfigurationError(
            f"{spec.go.module} {version} replaces modules by folders of its repository, which is not supported."
        )
    text += f"\nrequire {spec.go.module} v{version}\n"
    (folder / "go.mod").write_text(text, "utf-8")
    (folder / "go.sum").write_bytes((source / "go.sum").read_bytes())


def main_packages(spec: ComponentSpec, source: Path) -> list[str]:
    """Return the import paths of the main packages."""
    patterns = [pattern.format(name=name) for pattern in spec.go.mains for name in spec.binaries or ("",)]
    folders = {pattern: _folders(source, pattern) for pattern in patterns}
    missing = [pattern for pattern, paths in folders.items() if not paths]
    if missing:
        raise UnknownVersion(
            f"{spec.go.module} has no {', '.join(missing)} in {source}.", "Check `binary` in kubeparcel.yaml."
        )
    return [
        f"{spec.go.module}/{path.relative_to(source).as_posix()}".removesuffix("/.")
        for paths in folders.values()
        for path in paths
        if path.name not in spec.go.skip
    ]


def _folders(source: Path, pattern: str) -> list[Path]:
    """Return the folders of a module that match a pattern; `.` is the module's own."""
    return [source] if pattern == "." else sorted(filter(Path.is_dir, source.glob(pattern)))


def output_names(spec: ComponentSpec, packages: Sequence[str]) -> list[str]:
    """Return the names of compiled programs: those of the packages, unless there is only one."""
    if len(packages) == len(spec.binaries) == 1:
        return list(spec.binaries)
    return [package.rpartition("/")[2] for package in packages]
