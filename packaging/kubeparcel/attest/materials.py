"""Compares what a package was made from with kubeparcel.lock."""

from __future__ import annotations

from collections.abc import Iterator

from kubeparcel.build.lock import lockfile
from kubeparcel.errors import ConfigurationError
from kubeparcel.lock_models import Component, Lock
from kubeparcel.reports.results import Finding
from kubeparcel.trust.import_statement import import_origin
from kubeparcel.trust.package_statement import artifact_material
from kubeparcel.trust.statement import Resource, Statement

_HINT = (
    "Built from another file than the lock names: find out which is right before you trust either. "
    "inv resolve --check shows whether upstream changed it."
)
_CONTRADICTION_HINT = "The lock in its statement and the materials contradict each other: do not trust the package."


def recorded_lock(statement: Statement) -> Lock:
    """Return the lock that a package was built with. Raises ConfigurationError."""
    return lockfile.parse_document(statement.internal.get("lock"), statement.subjects[0].name)


def compare_materials(statement: Statement, *locks: Lock) -> tuple[list[Finding], str]:
    """Return the materials that differ from the lock of their release, or why they cannot be compared."""
    origin = import_origin(statement)
    if origin or not locks:
        return [], f"it was imported from {origin}" if origin else f"there is no {lockfile.NAME} here"
    try:
        recorded = recorded_lock(statement)
    except ConfigurationError as error:
        return [Finding("the lock of the build", error.message)], ""
    if contradictions := list(_contradictions(statement, recorded)):
        return contradictions, ""
    listed = {material.uri: dict(material.digest) for material in statement.materials}
    own = [a for a in recorded.artifacts if listed.get(artifact_material(a).uri) == artifact_material(a).digest]
    if not own:
        return [], "it contains no binaries of a release"
    built = recorded.component(own[0].component)
    locked = [
        (component, lock.source) for lock in locks for component in lock.components if component.name == built.name
    ]
    for component, source in locked:
        if (_identity(built), recorded.source) == (_identity(component), source):
            return list(_differences(statement, component)), ""
    versions = ", ".join(dict.fromkeys(f"{component.version} from {source}" for component, source in locked))
    now = f"is of {built.name} {versions}" if locked else f"has no {built.name}"
    return [], f"{lockfile.NAME} {now}, not {built.version} from {recorded.source}"


def _identity(component: Component) -> tuple[str, str]:
    """Return the version, with its build metadata, and the commit of a git tree."""
    return str(component.version), component.artifacts[0].commit


def _contradictions(statement: Statement, recorded: Lock) -> Iterator[Finding]:
    """Yield the materials that are not those of the statement's own lock."""
    by_uri = {material.uri: material for material in map(artifact_material, recorded.artifacts)}
    for material in statement.materials:
        own = by_uri.get(material.uri)
        if own and dict(own.digest) != dict(material.digest):
            yield Finding(_digest(own), _digest(material), material.uri, _CONTRADICTION_HINT)


def _digest(resource: Resource) -> str:
    return next(iter(resource.digest.values()), "no digest")


def _differences(statement: Statement, component: Component) -> Iterator[Finding]:
    locked = {artifact_material(artifact).uri: artifact for artifact in component.artifacts}
    for material in statement.materials:
        artifact = locked.get(material.uri)
        if artifact and dict(material.digest) != dict(artifact_material(artifact).digest):
            yield Finding(artifact.digest, _digest(material), artifact.origin, _HINT)
