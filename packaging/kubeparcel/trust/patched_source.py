"""What the patched modules of a package are based on, by the package's own record.

Go names the folder of a patched module, `./patched/k8s.io/kubectl`, and no version: databases of vulnerabilities know
the published module that it is based on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kubeparcel.config import catalog as catalogs
from kubeparcel.errors import UnknownVersion
from kubeparcel.model import Version
from kubeparcel.packages.go_build_info import replace_text
from kubeparcel.packages.linked_software import is_local, module_path
from kubeparcel.packages.model import GoBuildInfo, GoModule, PackageContents
from kubeparcel.packages.provenance import read_record

_SHA256 = re.compile(r"[0-9a-f]{64}")
_REPLACED = re.compile(r"^(mod|dep)\t(\S+)\t.*\n=>\t\./.*\n", re.MULTILINE)
_ORIGIN = re.compile(r"(\S+)@v(\S+)")


@dataclass(frozen=True)
class PatchedSource:
    """Patches of a component: their locations and SHA-256, and the versions of the modules that they change.

    `suffix` is what the versions of patched modules end in, without `+`.
    """

    patches: tuple[tuple[str, str], ...]
    suffix: str
    modules: Mapping[str, str]
    siblings: str = ""

    def base_version(self, module: GoModule) -> str:
        """Return the version of the published module that one in a binary is based on; empty if it is not patched."""
        path = module_path(module)
        if path in self.modules:
            return "" if module.sum else self.modules[path]
        return self.siblings if is_local(module) else ""

    def published(self, go: GoBuildInfo) -> GoBuildInfo:
        """Return the record of a binary with the published modules in place of patched ones."""
        modules = [
            GoModule(module_path(module), base) if (base := self.base_version(module)) else module
            for module in go.dependencies
        ]
        return replace(go, dependencies=tuple(modules))

    @property
    def references(self) -> list[str]:
        """The patches as URL references with their digests."""
        return [f"{quote(location, safe='/:@%?=&+~')}#sha256={sha256}" for location, sha256 in self.patches]


def read_patched_source(contents: PackageContents) -> PatchedSource | None:
    """Return how the source of a package was patched; None without patches, or if its record is invalid."""
    record: Any = read_record(contents)
    rows, origins = record.get("patches"), record.get("origins")
    if not isinstance(rows, list) or not isinstance(origins, list):
        return None
    pairs = [(str(row.get("file", "")), str(row.get("sha256", ""))) for row in rows if isinstance(row, dict)]
    modules = [_ORIGIN.fullmatch(str(row.get("origin", ""))) for row in origins if isinstance(row, dict)]
    versions = {match[1]: f"v{match[2]}" for match in modules if match}
    try:
        version = Version.parse(str(record.get("version", "")))
    except UnknownVersion:
        return None
    spec = catalogs.load().components.get(str(record.get("component", "")))
    siblings = spec.go.siblings.format(version=version.release) if spec else ""
    suffix = (version.build or "").removeprefix("fips").lstrip(".")
    patches = tuple((location, sha256) for location, sha256 in pairs if location and _SHA256.fullmatch(sha256))
    return PatchedSource(patches, suffix, versions, siblings) if patches and suffix and versions else None


def name_published_modules(binary: Path, source: PatchedSource) -> None:
    """Let Go's record in a copy of a binary name the published modules of patched ones, which govulncheck knows."""

    def published(match: re.Match[str]) -> str:
        module = GoModule("./", replaced=match[2])
        base = source.base_version(module)
        return f"{match[1]}\t{match[2]}\t{base}\n" if base else match[0]

    replace_text(binary, lambda text: _REPLACED.sub(published, text))
