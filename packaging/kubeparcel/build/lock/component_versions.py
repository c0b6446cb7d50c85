"""The versions of other components that belong to a Kubernetes version, by the catalog's pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from kubeparcel.config.component_models import SERIES, version_option
from kubeparcel.config.tree_settings import require_requested, tree_version
from kubeparcel.errors import UnknownVersion
from kubeparcel.lock_models import Request
from kubeparcel.model import Version

if TYPE_CHECKING:
    from kubeparcel.config.component_models import ComponentSpec
    from kubeparcel.sources.source import Source

KUBERNETES = "kubernetes"

MINOR = "minor"
"""The version in a pair of a component that has a release for each minor of Kubernetes."""

MAX_OLDER_MINORS = 6
"""How many minors back such a component is searched for if Kubernetes' own minor has none."""


def resolve_versions(
    request: Request, kubernetes: Version, components: Mapping[str, ComponentSpec], source: Source, warnings: list[str]
) -> dict[str, Version]:
    """Return the exact version of each component; add to `warnings` what does not fit exactly.

    Raises UnknownVersion if none is published.
    """
    versions = {KUBERNETES: kubernetes}
    for name, requested in request.versions.items():
        if name in request.trees:
            versions[name] = tree_version(request.trees[name], request.variant)
            require_requested(name, requested, versions[name], request.trees[name])
            continue
        candidates = [] if requested else paired_versions(components[name], kubernetes)
        if SERIES.fullmatch(requested):
            versions[name] = _newest_patch_of(name, components[name].title, requested, source)
        elif requested:
            versions[name] = Version.parse(requested)
        elif follows_minors(components[name], kubernetes):
            versions[name] = _newest_of_minor(name, candidates, kubernetes, source, warnings)
        else:
            versions[name] = candidates[0]
    return versions


def candidate_versions(spec: ComponentSpec, requested: str, kubernetes: Version) -> list[Version]:
    """Return the versions of which one is needed: the requested one, the first patch of a minor, or those that fit."""
    if not requested:
        return paired_versions(spec, kubernetes)
    return [Version.parse(f"{requested}.0" if SERIES.fullmatch(requested) else requested)]


def paired_versions(spec: ComponentSpec, kubernetes: Version) -> list[Version]:
    """Return the version that belongs to a Kubernetes version.

    For a component that has a release for each minor, return the first patches of the minors in
    which it is searched, Kubernetes' own minor first.
    """
    if not follows_minors(spec, kubernetes):
        return [Version.parse(_paired(spec, kubernetes))]
    oldest = max(kubernetes.minor - MAX_OLDER_MINORS, 0)
    return [Version(kubernetes.major, minor, 0) for minor in range(kubernetes.minor, oldest - 1, -1)]


def follows_minors(spec: ComponentSpec, kubernetes: Version) -> bool:
    """Return whether a component has a release for each minor of Kubernetes."""
    return _paired(spec, kubernetes) == MINOR


def _paired(spec: ComponentSpec, kubernetes: Version) -> str:
    for pair in spec.pairs:
        if pair.kubernetes.contains(kubernetes):
            return pair.version
    oldest = min((Version.parse(pair.kubernetes.since) for pair in spec.pairs if pair.kubernetes.since), default=None)
    raise UnknownVersion(
        f"The catalog has no {spec.title} for Kubernetes {kubernetes}.",
        f"It has {spec.title} from Kubernetes {oldest} on: choose such a version, or remove the package (packages).",
    )


def _newest_of_minor(
    name: str, first_patches: list[Version], kubernetes: Version, source: Source, warnings: list[str]
) -> Version:
    """Return the newest release of Kubernetes' minor, or of the newest minor that has one."""
    for first_patch in first_patches:
        version = _newest_patch(name, first_patch, source)
        if version is None:
            continue
        if version.minor != kubernetes.minor:
            warnings.append(
                f"{name} {kubernetes.series} is not published yet: using {version}, the newest earlier one."
            )
        return version
    raise UnknownVersion(
        f"No {name} is published for Kubernetes {kubernetes} "
        f"(searched {first_patches[-1].series} to {kubernetes.series}).",
        f"Choose one with {version_option(name)}VERSION.",
    )


def _newest_patch_of(name: str, title: str, minor: str, source: Source) -> Version:
    """Return the newest release of a component's minor, such as 3.6."""
    version = _newest_patch(name, Version.parse(f"{minor}.0"), source)
    if version is None:
        raise UnknownVersion(
            f"No {title} {minor} is published (searched from {minor}.0 on).",
            f"Choose an exact version: {version_option(name)}VERSION.",
        )
    return version


def _newest_patch(name: str, version: Version, source: Source) -> Version | None:
    """Return the last published patch of a minor, counting up from its first one."""
    newest = None
    while source.is_published(name, version):
        newest, version = version, version.next_patch()
    return newest
