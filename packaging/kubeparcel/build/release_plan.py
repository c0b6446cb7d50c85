"""Plans releases: their packages, and the units that fetch their binaries. Nothing is fetched or written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kubeparcel.build.lock.components import locked_components, source_of, toolchain_of
from kubeparcel.build.lock.releases import LockedRelease
from kubeparcel.build.package_plan import PackagePlan
from kubeparcel.build.planner import plan_packages
from kubeparcel.build.workers.units import FetchUnit, fetch_weight
from kubeparcel.config import catalog as catalogs
from kubeparcel.errors import ConfigurationError, KubeparcelError
from kubeparcel.lock_models import Artifact, Lock
from kubeparcel.model import Arch
from kubeparcel.store import Store

if TYPE_CHECKING:
    from kubeparcel.config.settings import Settings


@dataclass(frozen=True)
class ReleasePlan:
    """A release to build: its settings, its lock and its packages. `title` names it where there are others."""

    settings: Settings
    lock: Lock
    packages: tuple[PackagePlan, ...]
    title: str = ""


def plan_release(settings: Settings, lock: Lock, title: str = "") -> ReleasePlan:
    """Return what a release consists of; raise ConfigurationError as `plan_packages` does."""
    return ReleasePlan(settings, lock, plan_packages(settings, lock, catalogs.for_request(lock.request)), title)


def plan_releases(
    releases: Sequence[LockedRelease], fail: Callable[[int, KubeparcelError], None]
) -> dict[int, ReleasePlan]:
    """Return the plan of each release by its number; `fail` gets the error of one that has none."""
    plans: dict[int, ReleasePlan] = {}
    for number, release in enumerate(releases):
        try:
            title = release.title if len(releases) > 1 else ""
            plans[number] = plan_release(release.settings, release.required_lock, title)
        except KubeparcelError as error:
            fail(number, error)
    return plans


def requested_artifacts(lock: Lock, settings: Settings) -> list[Artifact]:
    """Return the lock's artifacts for the settings' architectures."""
    return [artifact for artifact in lock.artifacts if artifact.arch in settings.arch]


def fetch_units(artifacts: Sequence[Artifact], lock: Lock, settings: Settings, store: Store) -> list[FetchUnit]:
    """Return the units that fetch the artifacts of a lock, one for each component and architecture."""
    groups: dict[tuple[str, Arch], list[Artifact]] = {}
    for artifact in artifacts:
        groups.setdefault((artifact.component, artifact.arch), []).append(artifact)
    components, trees = locked_components(lock), settings.tree_folders()
    return [
        FetchUnit(
            *(tuple(group), components[name], source_of(lock, name), toolchain_of(lock, name)),
            *(settings.mirror, settings.input_policy(), lock.request.variant),
            weight=fetch_weight(components[name], group, source_of(lock, name), store),
            tree=str(trees.get(name, "")),
        )
        for (name, _), group in groups.items()
    ]


def require_distinct(plans: Iterable[ReleasePlan], store: Store) -> None:
    """Raise ConfigurationError if two releases give different packages of one name, or all the same ones."""
    owners: dict[str, tuple[ReleasePlan, PackagePlan, object]] = {}
    for release in plans:
        new = 0
        for package, inputs in _with_inputs(release, store):
            owner, other, other_inputs = owners.setdefault(package.file_name, (release, package, inputs))
            new += owner is release
            if (other, other_inputs) != (package, inputs):
                raise _conflict(owner, release, package)
        if not new:
            version = release.lock.component("kubernetes").version
            raise ConfigurationError(
                f"Kubernetes {version} is requested twice, with the same packages.",
                "Remove one of the releases, or give it other architectures.",
            )


def _with_inputs(release: ReleasePlan, store: Store) -> Iterator[tuple[PackagePlan, object]]:
    """Yield the packages of a release, each with what decides its binaries."""
    units = fetch_units(release.lock.artifacts, release.lock, release.settings, store)
    keys = {(unit.artifacts[0].component, unit.artifacts[0].arch): unit.key for unit in units}
    for package in release.packages:
        yield package, keys.get((package.component, package.arch)) if package.arch else None


def _conflict(first: ReleasePlan, second: ReleasePlan, package: PackagePlan) -> ConfigurationError:
    settings = (first.settings.as_document(), second.settings.as_document())
    differences = [name for name in settings[0] if settings[0][name] != settings[1][name]]
    return ConfigurationError(
        f"Two releases give different packages {package.file_name}: Kubernetes {first.title} and {second.title} "
        f"({', '.join(differences) or 'their locks'} differ).",
        "Packages of one name and version must have one content: give one of the releases a version-suffix (with "
        "patches) or a revision of its own.",
    )
