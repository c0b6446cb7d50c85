"""Parses the document of kubeparcel.lock, and names what is invalid in it."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import yaml

from kubeparcel.build.lock.document import FORMAT, SEVERAL, requested_versions
from kubeparcel.config import catalog as catalogs
from kubeparcel.config.component_checks import RESERVED_NAMES
from kubeparcel.errors import KubeparcelError
from kubeparcel.lock_models import Artifact, BuildVariant, Component, Lock, Patch, Request, Signature
from kubeparcel.model import TIMESTAMP_LIMIT, Arch, Version

INVALID = (
    *(yaml.YAMLError, KubeparcelError, LookupError, TypeError, ValueError, AttributeError, OverflowError),
    RecursionError,
)
"""What `parse_lock` raises for an invalid document."""

SOURCES = ("upstream", "go")
_REQUEST_FIELDS = ("kubernetes", *RESERVED_NAMES)


def parse_locks(document: Any) -> tuple[Lock, ...]:
    """Return the locks of a document with one release or several; raises as `parse_lock` does."""
    if not isinstance(document, dict) or document["format"] != SEVERAL:
        return (parse_lock(document),)
    rows = document["releases"]
    if not isinstance(rows, list) or not rows:
        raise ValueError("releases: expected a list of releases")
    locks: list[Lock] = []
    for number, row in enumerate(rows, 1):
        try:
            lock = parse_lock({**row, "format": FORMAT})
        except INVALID as error:
            problem = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"release {number}: {problem}") from error
        if lock in locks:
            raise ValueError(f"release {number} is there twice")
        locks.append(lock)
    return tuple(locks)


def parse_lock(document: Any) -> Lock:
    """Return the lock of a document; raises one of the errors INVALID if it is invalid."""
    if not isinstance(document, dict):
        raise TypeError("expected a mapping of `name: value` lines")
    if document["format"] != FORMAT:
        raise ValueError(f"format {document['format']} needs another version of kubeparcel")
    components = tuple(_parse_component(name, mapping) for name, mapping in document["components"].items())
    request = _parse_request(document["request"])
    names = {*(component.name for component in components), *(name.partition("/")[0] for name in request.programs)}
    if unknown := names - {*catalogs.load().components, *request.components}:
        text = ", ".join(sorted(map(str, unknown)))
        raise ValueError(f"unknown component {text}: it needs another version of kubeparcel")
    expected = requested_versions(request)
    if {component.name for component in components} != set(expected):
        raise ValueError(f"expected the components {', '.join(expected)}")
    source = _choice(document, "source", SOURCES)
    for component in components:
        keys = [(artifact.name, artifact.arch) for artifact in component.artifacts]
        if len(set(keys)) != len(keys) or {arch for _, arch in keys} != set(request.arches):
            raise ValueError(f"{component.name} has missing or duplicate artifacts")
    return Lock(request, source, components, _toolchain(document))


def _parse_request(mapping: Mapping[str, Any]) -> Request:
    versions = {name: _text(mapping, name) for name in mapping if name not in _REQUEST_FIELDS}
    arches = tuple(Arch(arch) for arch in mapping["arches"])
    source = _choice(mapping, "source", ("auto", *SOURCES))
    programs = tuple(_match(str(program), r"[\w-]+/[\w.-]+", "program") for program in mapping.get("programs", ()))
    variant = _parse_variant(mapping.get("go", {}))
    if "patches" in mapping or "version-suffix" in mapping:
        variant = _parse_patches(mapping, variant)
    definitions = _parse_definitions(mapping.get("components", {}))
    kubernetes = _text(mapping, "kubernetes")
    return Request(kubernetes, versions, arches, source, programs=programs, variant=variant, components=definitions)


def _parse_definitions(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Return the definitions of components, which are valid."""
    from kubeparcel.config.component_models import ComponentSpec

    return {str(name): ComponentSpec.model_validate(row).definition() for name, row in mapping.items()}


def _parse_variant(mapping: Mapping[str, Any]) -> BuildVariant:
    if unknown := set(mapping) - {"fips", "amd64", "debug"}:
        raise ValueError(f"go: unknown key {', '.join(map(str, unknown))}")
    fips, debug = mapping.get("fips", False), mapping.get("debug", False)
    if not isinstance(fips, bool) or not isinstance(debug, bool):
        raise TypeError(f"go: expected true or false, not {fips} and {debug}")
    return BuildVariant(fips, _match(str(mapping.get("amd64", "v1")), r"v[1-4]", "go.amd64"), debug=debug)


def _parse_patches(mapping: Mapping[str, Any], variant: BuildVariant) -> BuildVariant:
    """Return a variant with the patches of a request."""
    from kubeparcel.config.patch_settings import version_suffix

    suffix = version_suffix(_text(mapping, "version-suffix")).removeprefix("+")
    rows = [(component, row) for component, rows in mapping.get("patches", {}).items() for row in rows]
    return dataclasses.replace(variant, suffix=suffix, patches=tuple(itertools.starmap(_parse_patch, rows)))


def _parse_patch(component: str, mapping: Mapping[str, Any]) -> Patch:
    from kubeparcel.config.field_types import parse_range
    from kubeparcel.config.patch_settings import MAX_FUZZ

    location = _match(_text(mapping, "file"), r"[^\x00-\x1f\x7f/~][^\x00-\x1f\x7f]*", "patch")
    digest = _match(_text(mapping, "sha256"), r"[0-9a-f]{64}", "sha256")
    fuzz = mapping.get("fuzz", 0)
    if fuzz not in range(MAX_FUZZ + 1) or isinstance(fuzz, bool):
        raise ValueError(f"invalid fuzz {fuzz!r}")
    return Patch(component, location, digest, parse_range(mapping.get("versions", "")).notation, fuzz)


def _parse_component(name: str, mapping: Mapping[str, Any]) -> Component:
    artifacts = tuple(_parse_artifact(name, artifact) for artifact in mapping["artifacts"])
    version = Version.parse(_text(mapping, "version"))
    return Component(name, version, _time(mapping, "released"), artifacts)


def _parse_artifact(component: str, mapping: Mapping[str, Any]) -> Artifact:
    checksum = (
        _match(_text(mapping, "checksum"), r"[A-Za-z0-9_.+/=-]{1,200}", "checksum") if "checksum" in mapping else ""
    )
    signature = _parse_signature(mapping["signature"]) if "signature" in mapping else None
    origin, digest = _text(mapping, "origin"), _digest(mapping)
    commit = _match(mapping.get("commit", ""), r"([0-9a-f]{40}([0-9a-f]{24})?)?", "commit")
    repository = _match(mapping.get("repository", ""), r"([a-z]+://[!-?A-~]{1,500})?", "repository")
    if bool(commit) != digest.startswith("gitTree:") or (repository and not commit):
        raise ValueError(f"{component}: a commit needs the digest of its tree, and the other way round")
    name, arch = _artifact_name(mapping), Arch(mapping["arch"])
    return Artifact(component, name, arch, origin, digest, checksum, signature, commit, repository)


def _parse_signature(mapping: Mapping[str, Any]) -> Signature:
    identity, issuer = (_match(_text(mapping, name), r"[!-~]{1,500}", name) for name in ("identity", "issuer"))
    index = mapping["log-index"]
    if not isinstance(index, int) or isinstance(index, bool) or index < 0:
        raise ValueError(f"invalid log-index {index!r}")
    return Signature(identity, issuer, index, _time(mapping, "time") if "time" in mapping else 0)


def _time(mapping: Mapping[str, Any], name: str) -> int:
    """Return a time in seconds since 1970."""
    time = datetime.fromisoformat(_text(mapping, name))
    if time.tzinfo is None:
        raise ValueError(f"{name}: missing time zone in {mapping[name]} (expected +00:00)")
    seconds = int(time.timestamp())
    if not 0 <= seconds < TIMESTAMP_LIMIT:
        raise ValueError(f"{name}: {mapping[name]!r} is not between 1970 and 2106")
    return seconds


def _text(mapping: Mapping[str, Any], name: str) -> str:
    """Return a string; unquoted YAML numbers and dates (1.36) are rejected, not converted."""
    value = mapping[name]
    if not isinstance(value, str):
        raise TypeError(f"{name}: expected text in quotes, not {value}")
    return value


def _choice(mapping: Mapping[str, Any], name: str, choices: Sequence[str]) -> str:
    if mapping[name] not in choices:
        raise ValueError(f"invalid {name} {mapping[name]}: use {', '.join(choices)}")
    return str(mapping[name])


def _artifact_name(mapping: Mapping[str, Any]) -> str:
    """Return a name that is safe as part of a file name."""
    return _match(_text(mapping, "name"), r"[A-Za-z0-9][A-Za-z0-9._-]*", "artifact name")


def _toolchain(document: Mapping[str, Any]) -> str:
    if "toolchain" not in document:
        return ""
    return _match(_text(document, "toolchain"), r"(go\d[\w.+-]*)?", "Go toolchain")


def _digest(mapping: Mapping[str, Any]) -> str:
    pattern = r"sha256:[0-9a-f]{64}|h1:[A-Za-z0-9+/]{43}=|gitTree:[0-9a-f]{40}([0-9a-f]{24})?"
    return _match(_text(mapping, "digest"), pattern, "digest")


def _match(text: str, pattern: str, kind: str) -> str:
    if not re.fullmatch(pattern, text):
        raise ValueError(f"invalid {kind} {text!r}")
    return text
