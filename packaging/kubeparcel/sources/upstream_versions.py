"""The versions of Kubernetes that upstream publishes, by its markers: files that name the newest ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kubeparcel.errors import DownloadError, UnknownVersion
from kubeparcel.model import Version
from kubeparcel.sources.checksums import NOT_UPSTREAM_HINT
from kubeparcel.sources.transport import Transport
from kubeparcel.threads import CancelToken, parallel_map

OLDEST_MINOR = 11
"""The first minor of Kubernetes 1 whose dependencies the catalog has."""


@dataclass(frozen=True)
class VersionMarkers:
    """The markers at `releases`, a URL of upstream; `label` names the source in messages."""

    releases: str
    transport: Transport
    label: str

    def url(self, name: str) -> str:
        """Return the URL of `stable`, `stable-1.36` …: each contains one version."""
        return f"{self.releases}/{name}.txt"

    def read(self, name: str, token: CancelToken) -> Version | None:
        """Return the version in a marker file; None if the file does not exist."""
        text = self.transport.read(self.url(name), token)
        if text is None:
            return None
        try:
            return Version.parse(text)
        except UnknownVersion:
            location = self.transport.location(self.url(name))
            raise DownloadError(f"{location} contains {text[:40]!r}, not a version.", NOT_UPSTREAM_HINT) from None

    def unknown_version(self, requested: str) -> UnknownVersion:
        """Return the error for an unpublished version, naming published ones."""
        series = ".".join(requested.split(".")[:2])
        markers = [f"stable-{series}", f"latest-{series}", "stable"]
        stable, latest, newest = parallel_map(self.read, markers)
        for name, version in zip(markers, (stable, latest, newest), strict=True):
            if requested == str(version):
                return UnknownVersion(
                    f"{self.label} has no files of Kubernetes {requested}, although "
                    f"{self.transport.location(self.url(name))} names it.",
                    "Copy the files of this release as well. inv mirror copies everything that a build needs.",
                )
        published = []
        if stable:
            published.append(f"the newest {series} is {stable}")
        elif latest:
            published.append(f"{series} has only {latest}")
        if newest:
            published.append(f"the newest release is {newest}")
        details = f": {', '.join(published)}" if published else ""
        return UnknownVersion(
            f"{self.label} has no Kubernetes {requested}{details}.", "List all versions: inv versions"
        )

    def list_versions(self) -> Sequence[Version]:
        newest, latest = parallel_map(self.read, ["stable", "latest"])
        if newest is None:
            location = self.transport.location(self.url("stable"))
            raise DownloadError(f"{location} does not exist.")
        minors = range(newest.minor, OLDEST_MINOR - 1, -1)
        markers = [f"stable-{newest.major}.{minor}" for minor in minors]
        stable = [version for version in parallel_map(self.read, markers, 8) if version]
        return (latest, *stable) if latest and latest.prerelease and latest > newest else tuple(stable)
