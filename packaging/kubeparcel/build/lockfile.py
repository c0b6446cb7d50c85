"""kubeparcel.lock: which releases, from where, with which digests. Written, read and compared."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from kubeparcel.errors import ConfigurationError, KubeparcelError
from kubeparcel.model import Arch, Artifact, Component, Lock, Request, Version
from kubeparcel.store import atomic_write

NAME = "kubeparcel.lock"
FORMAT = 1
COMPONENTS = ("kubernetes", "cri-tools", "cni")
SOURCES = ("upstream", "go")
_HEADER = """\
# Written by kubeparcel: the exact releases, and the digests they must have. Commit it.
# To change it, change kubeparcel.yaml or the flags, and run: inv resolve
"""


def dump(lock: Lock) -> str:
    """The text of the file: the same lock gives the same text."""
    document = {
        "format": FORMAT,
        "request": {
            name.replace("_", "-"): [str(v) for v in value] if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(lock.request).items()
            if name != "mirror"
        },
        "source": lock.source,
        **({"toolchain": lock.toolchain} if lock.toolchain else {}),
        "components": {c.name: _component(c) for c in lock.components},
    }
    return _HEADER + yaml.safe_dump(document, sort_keys=False, width=200)


def _component(component: Component) -> dict[str, Any]:
    return {
        "version": str(component.version),
        "released": datetime.fromtimestamp(component.released, UTC).isoformat(),
        "artifacts": [
            {"name": a.name, "arch": str(a.arch), "origin": a.origin, "digest": a.digest}
            for a in component.artifacts
        ],
    }


def write(lock: Lock, path: Path) -> None:
    """Write the file, whole or not at all."""
    with atomic_write(path) as part:
        part.write_text(dump(lock), "utf-8")


def read(path: Path) -> Lock | None:
    """Read the file; None when there is none. Raises ConfigurationError naming what is wrong."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path.name} cannot be read: {error}") from None
    try:
        return _lock(yaml.safe_load(text))
    except (
        yaml.YAMLError,
        KubeparcelError,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
    ) as error:
        said = f"{error} is missing" if isinstance(error, KeyError) else error
        raise ConfigurationError(
            f"{path.name} is damaged: {said}",
            "kubeparcel writes it, people do not. Restore it (git checkout), or delete it and\n"
            "run: inv resolve",
        ) from None


def _lock(document: Any) -> Lock:
    if not isinstance(document, dict):
        raise TypeError("it holds no lines of `name: value`")
    if document["format"] != FORMAT:
        raise ValueError(f"format {document['format']} is from another version of kubeparcel")
    components = tuple(_read(name, row) for name, row in document["components"].items())
    if {component.name for component in components} != set(COMPONENTS):
        raise ValueError(f"its components have to be {', '.join(COMPONENTS)}")
    request = _request(document["request"])
    lock = Lock(request, _one_of(document, "source", SOURCES), components, _toolchain(document))
    for component in components:
        here = [(artifact.name, artifact.arch) for artifact in component.artifacts]
        if len(set(here)) != len(here) or {arch for _, arch in here} != set(request.arches):
            raise ValueError(f"{component.name} lacks artifacts, or has some twice")
    return lock


def _request(row: Mapping[str, Any]) -> Request:
    kubernetes, cri_tools, cni = (_text(row, name) for name in COMPONENTS)
    arches = tuple(Arch(arch) for arch in row["arches"])
    source = _one_of(row, "source", ("auto", *SOURCES))
    return Request(kubernetes, cri_tools, cni, arches, source)


def _read(name: str, row: Mapping[str, Any]) -> Component:
    artifacts = tuple(
        Artifact(name, _name(a), Arch(a["arch"]), _text(a, "origin"), _digest(_text(a, "digest")))
        for a in row["artifacts"]
    )
    released = datetime.fromisoformat(_text(row, "released"))
    if released.tzinfo is None:
        raise ValueError(f"released: {row['released']} lacks its time zone (+00:00)")
    version = Version.parse(_text(row, "version"))
    return Component(name, version, int(released.timestamp()), artifacts)


def _text(row: Mapping[str, Any], name: str) -> str:
    """A text; what YAML makes of one without quotes (1.36, a date) is not taken for it."""
    if not isinstance(row[name], str):
        raise TypeError(f"{name}: {row[name]} has to be text, in quotes")
    return str(row[name])


def _one_of(row: Mapping[str, Any], name: str, known: Sequence[str]) -> str:
    if row[name] not in known:
        raise ValueError(f"{name}: {row[name]} is none of {', '.join(known)}")
    return str(row[name])


def _name(row: Mapping[str, Any]) -> str:
    """An artifact's name, which becomes part of file names."""
    name = _text(row, "name")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ValueError(f"{name!r} is not an artifact's name")
    return name


def _toolchain(document: Mapping[str, Any]) -> str:
    named = _text(document, "toolchain") if "toolchain" in document else ""
    if named and not re.fullmatch(r"go\d[\w.+-]*", named):
        raise ValueError(f"{named!r} is not a Go toolchain")
    return named


def _digest(text: str) -> str:
    if not re.fullmatch(r"sha256:[0-9a-f]{64}|h1:[A-Za-z0-9+/]{43}=", text):
        raise ValueError(f"{text!r} is not a digest")
    return text


def differences(old: Lock, new: Lock) -> Iterator[str]:
    """What `new` says otherwise, one line each."""
    if old.source != new.source:
        yield f"source: {old.source} → {new.source}"
    if old.toolchain != new.toolchain:
        yield f"toolchain: {old.toolchain} → {new.toolchain}"
    before = {c.name: c for c in old.components}
    for component in new.components:
        known = before.get(component.name)
        if known is None or known.version != component.version:
            yield f"{component.name}: {known.version if known else 'none'} → {component.version}"
            continue
        digests = {(a.name, a.arch): a.digest for a in known.artifacts}
        for artifact in component.artifacts:
            was = digests.get((artifact.name, artifact.arch))
            if was != artifact.digest:
                yield f"{artifact.label}: {was or 'none'} → {artifact.digest}"


def mismatches(lock: Lock, request: Request) -> list[str]:
    """Return what a lock has differently from a request, such as `locked 1.36.3, requested 1.35.4`.

    A request for the exact locked versions, or for fewer architectures, has no mismatches.
    """
    requested = dict(
        zip(COMPONENTS, (request.kubernetes, request.cri_tools, request.cni), strict=True)
    )
    resolved = (lock.request.kubernetes, lock.request.cri_tools, lock.request.cni)
    result = []
    for (name, version), locked_request in zip(requested.items(), resolved, strict=True):
        locked = str(lock.component(name).version)
        if version not in (locked_request, locked):
            prefix = "" if name == "kubernetes" else f"{name}: "
            result.append(f"{prefix}locked {locked}, requested {version or 'the default'}")
    locked_arches = {artifact.arch for artifact in lock.artifacts}
    if missing := [arch for arch in request.arches if arch not in locked_arches]:
        result.append(f"not locked for {', '.join(missing)}")
    if request.source not in ("auto", lock.source):
        result.append(f"locked source {lock.source}, requested {request.source}")
    return result


def satisfies(lock: Lock, request: Request) -> bool:
    """Return whether a lock can be used for a request."""
    return not mismatches(lock, request)
