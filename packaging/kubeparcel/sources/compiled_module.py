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


_MODULE = re.compile(r'^module[ \t]+"?([^\s"]+)', re.MULTILINE)
_REPLACED_BY_FOLDER = re.compile(r"=>[ \t]+\"?(\.{0,2}/\S*|\.\.?(?!\S))")


def link_variables(spec: ComponentSpec, version: Version, date: str) -> dict[str, str]:
    """Return the variables to set at link time. The date is the module's, never today's."""
    return {name: value.format(version=version, date=date) for name, value in spec.go.stamps.items()}


def write_module(folder: Path, spec: ComponentSpec, version: Version, source: Path) -> None:
    """Write a module that requires the upstream one with upstream's own dependencies and sums."""
    (folder / "go.mod").write_text(_go_mod(spec, version, source), "utf-8")
    sums = source / "go.sum"
    (folder / "go.sum").write_bytes(sums.read_bytes() if sums.is_file() else b"")  # without dependencies, none


def check_module(spec: ComponentSpec, version: Version, source: Path) -> None:
    """Raise ConfigurationError or UnknownVersion for a module in `source` that cannot be compiled as a dependency."""
    main_packages(spec, source)
    if not (source / "go.mod").is_file():
        return
    declared = declared_module((source / "go.mod").read_text("utf-8"))
    if declared not in ("", spec.go.module):
        raise ConfigurationError(
            f"{spec.go.module} {version} declares its path as {declared} (go.mod).",
            "Set go.module to that path. A fork that keeps the path of its original is built from a git checkout: "
            "--source tree:DIR",
        )
    _go_mod(spec, version, source)


def declared_module(go_mod: str) -> str:
    """Return the module path that a go.mod declares; empty without one."""
    match = _MODULE.search(go_mod)
    return match[1] if match else ""


def _go_mod(spec: ComponentSpec, version: Version, source: Path) -> str:
    """Return the go.mod of a module that requires the upstream one.

    Go ignores the replacements in the go.mod of a dependency, so that they are copied. Those by folders of
    upstream's repository become those by published modules.
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
    if folders := _REPLACED_BY_FOLDER.findall(re.sub(r"//.*", "", text)):
        raise ConfigurationError(
            f"{spec.go.module} {version} replaces modules by folders, which a published module does not contain: "
            f"{', '.join(dict.fromkeys(folders))} (go.mod).",
            "If they are published too, set go.siblings to their version, such as v{version}. Otherwise build it from "
            "its git checkout: --source tree:DIR",
        )
    return f"{text}\nrequire {spec.go.module} v{version}\n"


def main_packages(spec: ComponentSpec, source: Path) -> list[str]:
    """Return the import paths of the main packages."""
    patterns = [pattern.format(name=name) for pattern in spec.go.mains for name in spec.binaries or ("",)]
    folders = {pattern: _folders(source, pattern) for pattern in patterns}
    missing = [pattern for pattern, paths in folders.items() if not paths]
    if missing:
        raise UnknownVersion(
            f"{spec.go.module} has no {', '.join(missing)} in {source}.",
            "Check `binary` of the package, or go.mains of the component, in kubeparcel.yaml.",
        )
    paths = [path for matches in folders.values() for path in matches if path.name not in spec.go.skip]
    if libraries := ", ".join(path.relative_to(source).as_posix() for path in paths if _is_library(path)):
        raise UnknownVersion(
            f"{spec.go.module} has no program in {libraries}: its package is not main.",
            "Set go.mains to folders of main packages, such as cmd/{name}.",
        )
    packages = [f"{spec.go.module}/{path.relative_to(source).as_posix()}".removesuffix("/.") for path in paths]
    names = [program_name(package) for package in packages]
    twice = [package for package, name in zip(packages, names, strict=True) if names.count(name) > 1]
    if twice and len(spec.binaries) != 1:
        raise ConfigurationError(
            f"{spec.go.module} has several main packages of one name: {', '.join(twice)}.",
            "Name one of them in go.mains, or make a component of each.",
        )
    return packages


def _is_library(folder: Path) -> bool:
    """Return whether a folder has Go files, none of which is of a main package."""
    texts = [f.read_text("utf-8", "replace") for f in folder.glob("*.go") if not f.name.endswith("_test.go")]
    return bool(texts) and not any(re.search(r"^package main\b", text, re.MULTILINE) for text in texts)


def _folders(source: Path, pattern: str) -> list[Path]:
    """Return the folders of a module that match a pattern; `.` is the module's own."""
    return [source] if pattern == "." else sorted(filter(Path.is_dir, source.glob(pattern)))


def output_names(spec: ComponentSpec, packages: Sequence[str]) -> list[str]:
    """Return the names of compiled programs: those of the packages, unless there is only one."""
    if len(packages) == len(spec.binaries) == 1:
        return list(spec.binaries)
    return [program_name(package) for package in packages]


def program_name(package: str) -> str:
    """Return the name that go build gives to a program: the last element of its path that is no major version."""
    *parents, last = package.split("/")
    return parents[-1] if parents and re.fullmatch(r"v[2-9]|v[1-9]\d+", last) else last
