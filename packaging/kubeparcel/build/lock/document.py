"""The content of kubeparcel.lock as a document, by the keys of the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from kubeparcel.lock_models import Artifact, BuildVariant, Component, Lock, Request, Signature

FORMAT, SEVERAL = 1, 2
"""The formats of the file for one release, and for several."""


def document(lock: Lock) -> dict[str, Any]:
    """Return the content of the file for one release; `parser.parse_lock` is the reverse."""
    return {"format": FORMAT, **_release_document(lock)}


def documents(locks: Sequence[Lock]) -> dict[str, Any]:
    """Return the content of the file; `parser.parse_locks` is the reverse."""
    if len(locks) == 1:
        return document(locks[0])
    return {"format": SEVERAL, "releases": [_release_document(lock) for lock in locks]}


def _release_document(lock: Lock) -> dict[str, Any]:
    return {
        "request": request_document(lock.request),
        "source": lock.source,
        **present({"toolchain": lock.toolchain}),
        "components": {c.name: _dump_component(c) for c in lock.components},
    }


def request_document(request: Request) -> dict[str, Any]:
    """Return a request by the keys of the file; the mirror and what is accepted are not part of it."""
    return {
        **requested_versions(request),
        "arches": [str(arch) for arch in request.arches],
        "source": request.source,
        **present({"programs": list(request.programs)}),
        **_variant_document(request.variant),
        **present({"components": dict(request.components)}),
    }


def _variant_document(variant: BuildVariant) -> dict[str, Any]:
    """Return how binaries are compiled, by the keys of the file; what is the default has none."""
    patches: dict[str, list[dict[str, Any]]] = {}
    for patch in variant.patches:
        row = {**patch.as_document(), **present({"versions": patch.versions})}
        patches.setdefault(patch.component, []).append(row)
    suffix = f"+{variant.suffix}" if variant.suffix else ""
    return present({"go": variant.as_document(), "patches": patches, "version-suffix": suffix})


def present(optional: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of a document that are not empty."""
    return {name: value for name, value in optional.items() if value}


def requested_versions(request: Request) -> dict[str, str]:
    """Return the requested version of each component; empty for the one that fits Kubernetes."""
    return {"kubernetes": request.kubernetes, **request.versions}


def summary(lock: Lock) -> dict[str, Any]:
    """Return what a lock answers a request with, by the keys of `request_document`."""
    versions = {component.name: str(component.version) for component in lock.components}
    return {**versions, "arches": list(lock.request.arches), "source": lock.source}


def _dump_component(component: Component) -> dict[str, Any]:
    return {
        "version": str(component.version),
        "released": datetime.fromtimestamp(component.released, UTC).isoformat(),
        "artifacts": [_dump_artifact(artifact) for artifact in component.artifacts],
    }


def artifact_documents(lock: Lock) -> list[dict[str, Any]]:
    """Return all artifacts by the keys of the file, each with its component."""
    return [{"component": artifact.component, **_dump_artifact(artifact)} for artifact in lock.artifacts]


def _dump_artifact(artifact: Artifact) -> dict[str, Any]:
    return {
        "name": artifact.name,
        "arch": str(artifact.arch),
        "origin": artifact.origin,
        "digest": artifact.digest,
        **present({"checksum": artifact.checksum, "commit": artifact.commit, "repository": artifact.repository}),
        **({"signature": _signature_document(artifact.signature)} if artifact.signature else {}),
    }


def _signature_document(signature: Signature) -> dict[str, Any]:
    time = datetime.fromtimestamp(signature.time, UTC).isoformat() if signature.time else ""
    return {
        "identity": signature.identity,
        "issuer": signature.issuer,
        "log-index": signature.log_index,
        **present({"time": time}),
    }
