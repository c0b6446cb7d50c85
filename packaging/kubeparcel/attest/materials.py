"""What a package was made from: compared with kubeparcel.lock, and where a rebuild may fetch it from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kubeparcel.build.lock import lockfile
from kubeparcel.build.lock.components import locked_components, source_of
from kubeparcel.config.component_models import ComponentSpec
from kubeparcel.errors import ConfigurationError
from kubeparcel.lock_models import Artifact, Component, Lock
from kubeparcel.model import Version
from kubeparcel.reports.results import Finding
from kubeparcel.sources.upstream import Upstream
from kubeparcel.store import Store
from kubeparcel.trust.package_statement import artifact_material, import_origin
from kubeparcel.trust.statement import Resource, Statement

_HINT = (
    "Built from another file than the lock names: find out which is right before you trust either. "
    "inv resolve --check shows whether upstream changed it."
)
_CONTRADICTION_HINT = "The lock in its statement and the materials contradict each other: do not trust the package."
_ORIGIN_HINT = (
    "Nothing was fetched. Verify it with the version of kubeparcel that built it, or do not trust the package."
)
_PUBLISHER_HINT = "Nothing was fetched. If you trust its publisher, pass --key FILE with the publisher's public key."


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
    if contradictions := list(_differences(statement, recorded.artifacts, _CONTRADICTION_HINT)):
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
            return list(_differences(statement, component.artifacts, _HINT)), ""
    versions = ", ".join(dict.fromkeys(f"{component.version} from {source}" for component, source in locked))
    now = f"is of {built.name} {versions}" if locked else f"has no {built.name}"
    return [], f"{lockfile.NAME} {now}, not {built.version} from {recorded.source}"


def _identity(component: Component) -> tuple[str, str]:
    """Return the version, with its build metadata, and the commit of a git tree."""
    return str(component.version), component.artifacts[0].commit


def _differences(statement: Statement, artifacts: Sequence[Artifact], hint: str) -> Iterator[Finding]:
    """Yield the materials that are artifacts with another digest."""
    expected = {artifact_material(artifact).uri: artifact for artifact in artifacts}
    for material in statement.materials:
        artifact = expected.get(material.uri)
        if artifact and dict(material.digest) != dict(artifact_material(artifact).digest):
            yield Finding(artifact.digest, digest_text(material), artifact.origin, hint)


def digest_text(resource: Resource) -> str:
    """Return the digest of a material for messages; of a git tree, its own and not its commit's."""
    return resource.digest.get("gitTree") or next(iter(resource.digest.values()), "no digest")


def require_upstream_origins(
    artifacts: Sequence[Artifact], lock: Lock, package: str, own: Sequence[Lock] = (), *, trusted: bool = False
) -> None:
    """Raise ConfigurationError for an artifact that is from elsewhere than its project publishes it.

    Whoever publishes a package writes its statement, so an address in it could be any, also one inside the network of
    the person who verifies. A component that the lock itself defines is from anywhere: it must be defined in the user's
    `own` locks as well, unless the statement is `trusted`.
    """
    components = locked_components(lock)
    for artifact in artifacts:
        definition = lock.request.components.get(artifact.component)
        known = [other.request.components.get(artifact.component) for other in own]
        if definition is not None and definition not in known and not trusted:
            raise ConfigurationError(
                f"{package}: its statement defines the component {artifact.component}, from {artifact.origin}.",
                _PUBLISHER_HINT,
            )
        if artifact.commit:  # of a git tree of this machine
            continue
        spec = components.get(artifact.component)
        version = lock.component(artifact.component).version.release
        if spec is None or artifact.origin not in _origins(
            artifact, version, spec, source_of(lock, artifact.component)
        ):
            raise ConfigurationError(
                f"{package}: its statement names {artifact.origin} for {artifact.label}, where its project does not "
                "publish it.",
                _ORIGIN_HINT,
            )


def _origins(artifact: Artifact, version: Version, spec: ComponentSpec, source: str) -> set[str]:
    if source == "go":
        return {f"{spec.go.module}@v{version}"}
    upstream = Upstream({artifact.component: spec})
    return {published.origin for published in upstream.artifacts(artifact.component, version, artifact.arch)}


def require_stored_patches(lock: Lock, store: Store, package: str) -> None:
    """Raise ConfigurationError for a patch that would be downloaded."""
    for patch in lock.request.variant.patches:
        if "://" in patch.location and not store.has(patch.sha256):
            raise ConfigurationError(f"{package}: its statement has a patch at {patch.location}.", _PUBLISHER_HINT)
