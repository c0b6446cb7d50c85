"""Where a statement may make a rebuild fetch files from: the places that the catalog names.

Whoever publishes a package writes its statement, so an address in it could be any, also one inside the network of
the person who verifies.
"""

from __future__ import annotations

from collections.abc import Sequence

from kubeparcel.build.lock.components import locked_components, source_of
from kubeparcel.config.component_models import ComponentSpec
from kubeparcel.errors import ConfigurationError
from kubeparcel.lock_models import Artifact, Lock
from kubeparcel.model import Version
from kubeparcel.sources.upstream import Upstream
from kubeparcel.store import Store

_HINT = "Nothing was fetched. Verify it with the version of kubeparcel that built it, or do not trust the package."
_PUBLISHER_HINT = "Nothing was fetched. If you trust its publisher, pass --key FILE with the publisher's public key."


def require_upstream_origins(
    artifacts: Sequence[Artifact], lock: Lock, package: str, own: Sequence[Lock] = (), *, trusted: bool = False
) -> None:
    """Raise ConfigurationError for an artifact that is from elsewhere than its project publishes it.

    A component that the lock itself defines is from anywhere: it must be defined in the user's `own` locks as well,
    unless the statement is `trusted`.
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
                _HINT,
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
