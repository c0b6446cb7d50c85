"""Lists the Kubernetes versions that a source offers: which can be built, and which upstream supports."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kubeparcel.build.lock.component_versions import KUBERNETES, candidate_versions
from kubeparcel.config import catalog as catalogs
from kubeparcel.console import Log
from kubeparcel.errors import UnknownVersion
from kubeparcel.model import Version
from kubeparcel.sources.selection import select_source
from kubeparcel.tables import format_table
from kubeparcel.threads import parallel_map

if TYPE_CHECKING:
    from kubeparcel.config.component_models import ComponentSpec
    from kubeparcel.config.settings import Settings
    from kubeparcel.sources.source import Source

SUPPORTED_MINORS = 3
"""The newest minors that get patches (kubernetes.io/releases/version-skew-policy)."""

PRE_RELEASE, SUPPORTED, UNSUPPORTED = "pre-release", "supported", "out of support"


@dataclass(frozen=True)
class VersionList:
    """The newest version of each minor with its status, and those that cannot be built, newest first."""

    status: dict[Version, str]
    incomplete: tuple[Version, ...]

    def as_json(self) -> str:
        """Return the JSON document of `--json`."""
        return json.dumps(
            {
                "versions": [str(version) for version in self.status],
                "status": {str(version): status for version, status in self.status.items()},
                "incomplete": [str(version) for version in self.incomplete],
            },
            indent=2,
        )

    def as_text(self) -> str:
        """Return a table, and a line about versions that cannot be built."""
        lines = [format_table(["Version", "Status"], [[str(v), status] for v, status in self.status.items()])]
        if self.incomplete:
            names = ", ".join(map(str, self.incomplete))
            lines.append(f"Not listed, because the source has only parts of them: {names}")
        return "\n".join(lines)


def list_versions(settings: Settings, log: Log) -> VersionList:
    """Return the versions that the source offers; raise UnknownVersion if none can be built."""
    request = settings.request()
    components = catalogs.for_request(request).components
    source = select_source(request, components, log)
    offered = source.list_versions()
    problems = dict(
        zip(
            offered,
            parallel_map(lambda v, _: _missing_part(v, source, components, request.versions), offered, 8),
            strict=True,
        )
    )
    buildable = [version for version, problem in problems.items() if not problem]
    if not buildable:
        details = [f"  {version}: {problem}" for version, problem in problems.items()]
        raise UnknownVersion(
            "\n".join([f"The source {source.name} has no version that can be built.", *details]),
            "inv mirror copies everything that a build needs." if settings.mirror else "",
        )
    incomplete = tuple(version for version in offered if version not in buildable)
    return VersionList({version: _status(version, offered) for version in buildable}, incomplete)


def _status(version: Version, offered: Sequence[Version]) -> str:
    if version.prerelease:
        return PRE_RELEASE
    finals = [other for other in offered if not other.prerelease]
    newer_minors = {other.series for other in finals if other > version} - {version.series}
    return SUPPORTED if len(newer_minors) < SUPPORTED_MINORS else UNSUPPORTED


def _missing_part(
    version: Version, source: Source, components: Mapping[str, ComponentSpec], requested: Mapping[str, str]
) -> str:
    """Return what is missing of a Kubernetes version in a source: its files, or any fitting version of a component."""
    try:
        if not source.is_published(KUBERNETES, version):
            return f"no files of Kubernetes {version}"
        for name, text in requested.items():
            spec = components[name]
            candidates = candidate_versions(spec, text, version)
            if not any(source.is_published(name, candidate) for candidate in candidates):
                exact = "" if len(candidates) > 1 else f" {candidates[0]}"
                return f"no {spec.title}{exact} for Kubernetes {version}"
    except UnknownVersion as error:  # too old, or files without checksums
        return error.message.rstrip(".")
    return ""
