"""Compares what a package was made from with kubeparcel.lock."""

from __future__ import annotations

from collections.abc import Iterator

from kubeparcel.build import lockfile
from kubeparcel.errors import ConfigurationError
from kubeparcel.model import Component, Lock
from kubeparcel.reports.results import Finding
from kubeparcel.trust.package_statement import artifact_material
from kubeparcel.trust.statement import Statement

_HINT = (
    "Built from another file than the lock names: find out which is right before you trust either. "
    "inv resolve --check shows whether upstream changed it."
)


def recorded_lock(statement: Statement) -> Lock:
    """Return the lock that a package was built with. Raises ConfigurationError."""
    return lockfile.parse_document(statement.internal.get("lock"), statement.subjects[0].name)


def compare_materials(statement: Statement, lock: Lock | None) -> tuple[list[Finding], str]:
    """Return the materials that differ from a lock, or why they cannot be compared."""
    if lock is None:
        return [], f"there is no {lockfile.NAME} here"
    try:
        recorded = recorded_lock(statement)
    except ConfigurationError as error:
        return [Finding("the lock of the build", error.message)], ""
    listed = {material.uri: dict(material.digest) for material in statement.materials}
    own = [a for a in recorded.artifacts if listed.get(artifact_material(a).uri) == artifact_material(a).digest]
    if not own:
        return [], "it contains no binaries of a release"
    component = own[0].component
    locked = next((other for other in lock.components if other.name == component), None)
    if locked is None:
        return [], f"{lockfile.NAME} has no {component}"
    before, now = recorded.component(component).version, locked.version
    if (before, recorded.source) != (now, lock.source):
        return [], f"{lockfile.NAME} is of {component} {now} from {lock.source}, not {before} from {recorded.source}"
    return list(_differences(statement, locked)), ""


def _differences(statement: Statement, component: Component) -> Iterator[Finding]:
    locked = {artifact_material(artifact).uri: artifact for artifact in component.artifacts}
    for material in statement.materials:
        artifact = locked.get(material.uri)
        if artifact and dict(material.digest) != dict(artifact_material(artifact).digest):
            yield Finding(artifact.digest, next(iter(material.digest.values()), "no digest"), artifact.origin, _HINT)
