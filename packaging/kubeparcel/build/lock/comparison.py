"""Compares locks with one another and with requests, and keeps what has not changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from kubeparcel.build.lock.document import requested_versions
from kubeparcel.config.tree_settings import tree_version
from kubeparcel.lock_models import Artifact, BuildVariant, Component, Lock, Request


def keep_known(lock: Lock, previous: Lock) -> Lock:
    """Return the lock with what the previous one records for the same files: signatures, and the dates of components.

    Not every machine can verify signatures, and a signature that was verified stays valid. Mirrors date files
    differently, and packages of unchanged components must have unchanged bytes.
    """
    signatures = {(a.origin, a.digest): a.signature for a in previous.artifacts}
    previous_components = {component.name: component for component in previous.components}
    components = []
    for component in lock.components:
        before = previous_components.get(component.name, component)
        is_unchanged = before.version == component.version and _files(before) & _files(component)
        artifacts = tuple(
            dataclasses.replace(a, signature=a.signature or signatures.get((a.origin, a.digest)))
            for a in component.artifacts
        )
        released = before.released if is_unchanged else component.released
        components.append(dataclasses.replace(component, released=released, artifacts=artifacts))
    return dataclasses.replace(lock, components=tuple(components))


def _files(component: Component) -> set[tuple[str, str]]:
    return {(artifact.origin, artifact.digest) for artifact in component.artifacts}


def restrict(lock: Lock, request: Request) -> Lock:
    """Return the lock without the components and programs that a request does not name.

    A package that is not built any more leaves them.
    """
    names = requested_versions(request).keys()
    programs = tuple(program for program in lock.request.programs if program in request.programs)
    unused = {program.partition("/")[2] for program in lock.request.programs} - {p.partition("/")[2] for p in programs}
    components = tuple(
        dataclasses.replace(component, artifacts=tuple(a for a in component.artifacts if a.name not in unused))
        for component in lock.components
        if component.name in names
    )
    kept = dataclasses.replace(
        lock.request,
        versions={name: version for name, version in lock.request.versions.items() if name in names},
        programs=programs,
        components={name: row for name, row in lock.request.components.items() if name in names},
    )
    return dataclasses.replace(lock, request=kept, components=components)


def differences(old: Lock, new: Lock) -> Iterator[str]:
    """Yield one line for each difference between two locks, such as `cni: 1.9.0 → 1.9.1`.

    What the old lock did not record, such as a signature, is not a difference.
    """
    if old.source != new.source:
        yield f"source: {old.source} → {new.source}"
    if old.request.variant != new.request.variant:
        yield f"go: {_describe_variant(old.request.variant)} → {_describe_variant(new.request.variant)}"
    if old.toolchain != new.toolchain:
        yield f"toolchain: {old.toolchain} → {new.toolchain}"
    old_components = {component.name: component for component in old.components}
    for name in old_components.keys() - {component.name for component in new.components}:
        yield f"{name}: {old_components[name].version} → none"
    for component in new.components:
        previous = old_components.get(component.name)
        if previous is None or str(previous.version) != str(component.version):
            old_version = previous.version if previous else "none"
            yield f"{component.name}: {old_version} → {component.version}"
            continue
        old_artifacts = {(a.name, a.arch): a for a in previous.artifacts}
        for artifact in component.artifacts:
            yield from _artifact_differences(old_artifacts.get((artifact.name, artifact.arch)), artifact)


def _artifact_differences(old: Artifact | None, new: Artifact) -> Iterator[str]:
    if old is None or old.digest != new.digest:
        yield f"{new.label}: {old.digest if old else 'none'} → {new.digest}"
        return
    if old.checksum and old.checksum != new.checksum:
        yield f"{new.label}: checked against {old.checksum} → {new.checksum or 'unknown'}"
    if old.signature and old.signature != new.signature:
        yield f"{new.label}: signed by {old.signature} → {new.signature or 'unknown'}"


def _describe_variant(variant: BuildVariant) -> str:
    """Return a variant such as `fips, amd64: v3`."""
    words = (name if value is True else f"{name}: {value}" for name, value in variant.as_document().items())
    patches = (
        f"{patch.component}: {patch.name} (sha256 {patch.sha256[:12]}…{f', fuzz {patch.fuzz}' if patch.fuzz else ''})"
        for patch in variant.patches
    )
    return ", ".join([*words, *patches, *([f"+{variant.suffix}"] if variant.suffix else [])]) or "default"


def mismatches(lock: Lock, request: Request) -> list[str]:
    """Return what a lock has differently from a request, such as `locked 1.36.3, requested 1.35.4`.

    A request for the exact locked versions, or for fewer architectures, has no mismatches.
    """
    lines = _version_mismatches(lock, request)
    if not set(lock.request.arches).issuperset(request.arches):
        lines.append(f"locked for {', '.join(lock.request.arches)}, requested {', '.join(request.arches)}")
    programs = [program for program in request.programs if program not in lock.request.programs]
    if programs:
        lines.append(f"locked without {', '.join(programs)}")
    lines += _tree_mismatches(lock, request)
    compiled = lock.request.variant.is_set or bool(request.trees)
    if request.variant != lock.request.variant:
        variants = (_describe_variant(lock.request.variant), _describe_variant(request.variant))
        lines.append("compiled with go: locked {}, requested {}".format(*variants))
    if request.source not in ("auto", lock.source):
        lines.append(f"locked source {lock.source}, requested {request.source}")
    elif request.source == "auto" and request.mirror and lock.source != "upstream" and not compiled:
        lines.append(f"locked source {lock.source}, requested a mirror of upstream")
    elif request.source == "auto" and request.policy.require_signatures and lock.source == "go":
        lines += [] if compiled else ["locked source go, requested signatures, which modules do not have"]
    return lines


def _version_mismatches(lock: Lock, request: Request) -> list[str]:
    previous = requested_versions(lock.request)
    lines = []
    requested = requested_versions(request)
    for name, version in requested.items():
        if name not in previous:
            lines.append(f"locked without {name}")
            continue
        locked = str(lock.component(name).version.release)
        if version not in (previous[name], locked):
            prefix = "" if name == "kubernetes" else f"{name}: "
            lines.append(f"{prefix}locked {locked}, requested {version or 'the default'}")
        elif request.components.get(name) != lock.request.components.get(name):
            lines.append(f"components.{name} has changed")
    unused = [name for name in previous if name not in requested]
    unused += [program for program in lock.request.programs if program not in request.programs]
    lines += [f"locked with {name}, which no package contains" for name in unused]
    return lines


def _tree_mismatches(lock: Lock, request: Request) -> Iterator[str]:
    """Yield which components are from a git tree in another state, or from a tree in only one of both."""
    for component in lock.components:
        locked, checkout = component.artifacts[0], request.trees.get(component.name)
        if checkout is None:
            if locked.commit:
                yield f"{component.name}: locked commit {locked.commit[:12]} of a git tree, requested without a tree"
        elif not locked.commit:
            yield f"{component.name}: locked {locked.origin}, requested the git tree {checkout.folder}"
        elif locked.commit != checkout.commit:
            commits = f"locked commit {locked.commit[:12]}, the git tree is at {checkout.commit[:12]}"
            yield f"{component.name}: {commits}{' with changes' * bool(checkout.changes)}"
        elif locked.digest != checkout.digest:
            state = f"uncommitted changes ({checkout.changes[0]})" if checkout.changes else "no uncommitted changes"
            expected = "others" if component.version.is_dirty else "none"
            yield f"{component.name}: the git tree has {state}, locked with {expected}"
        elif checkout.tag and str(version := tree_version(checkout, request.variant)) != str(component.version):
            yield f"{component.name}: locked {component.version}, the git tree is {version} by its tags"


def satisfies(lock: Lock, request: Request) -> bool:
    """Return whether a lock can be used for a request."""
    return not mismatches(lock, request)
