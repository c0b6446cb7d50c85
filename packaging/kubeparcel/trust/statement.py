"""in-toto statements with SLSA provenance: what was made, from what, and how.

The formats: in-toto Statement v1 and ResourceDescriptor v1 (github.com/in-toto/attestation), SLSA provenance v1
(slsa.dev/spec/v1.0/provenance). Equal inputs give equal bytes: there are no times and no random IDs.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from types import MappingProxyType
from typing import Any, NamedTuple

from kubeparcel import __version__
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.json_document import parse_json

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
PROJECT_URL = "https://github.com/kubeparcel/kubeparcel"
DOCUMENT = "docs/explanation/provenance.md"
PACKAGE_BUILD_TYPE = f"{PROJECT_URL}/blob/main/{DOCUMENT}#packages-v1"
IMPORT_BUILD_TYPE = f"{PROJECT_URL}/blob/main/{DOCUMENT}#imports-v1"
REPOSITORY_BUILD_TYPE = f"{PROJECT_URL}/blob/main/{DOCUMENT}#repositories-v1"
"""What the parameters of a statement mean: the sections of a document of the project."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MAX_NAME = 4096
_BATCH = 1_000
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Resource(NamedTuple):
    """A file, a module or a program: in-toto's ResourceDescriptor. `digest` has hexadecimal values by algorithm.

    A tuple, because a repository may contain ten thousand packages.
    """

    name: str = ""
    uri: str = ""
    digest: Mapping[str, str] = _NOTHING
    annotations: Mapping[str, Any] = _NOTHING

    def as_json(self) -> dict[str, Any]:
        """Return the fields that are set."""
        if self.name and not self.uri and not self.annotations:
            return {"name": self.name, "digest": self.digest} if self.digest else {"name": self.name}
        fields = {"name": self.name, "uri": self.uri}
        mappings = {"digest": dict(self.digest), "annotations": dict(self.annotations)}
        return {name: value for name, value in (fields | mappings).items() if value}

    @property
    def label(self) -> str:
        """The name for messages."""
        return self.name or self.uri


@dataclass(frozen=True)
class Statement:
    """What was made (`subjects`, with SHA-256), how (`build_type` with its parameters) and from what (`materials`).

    `byproducts` are other files that belong to the subjects. `versions` are those of the builder's programs.
    """

    subjects: tuple[Resource, ...]
    build_type: str
    external: Mapping[str, Any]
    internal: Mapping[str, Any] = field(default_factory=dict)
    materials: tuple[Resource, ...] = ()
    byproducts: tuple[Resource, ...] = ()
    versions: Mapping[str, str] = field(default_factory=lambda: {"kubeparcel": __version__})
    builder: str = PROJECT_URL

    def dump(self, files: Iterable[tuple[str, str]] = ()) -> bytes:
        """Return the statement as JSON; `files` are more subjects, too many for objects: names with their SHA-256."""
        details: dict[str, Any] = {"builder": {"id": self.builder, "version": dict(self.versions)}}
        details |= {"byproducts": [r.as_json() for r in self.byproducts]} if self.byproducts else {}
        definition: dict[str, Any] = {"buildType": self.build_type, "externalParameters": dict(self.external)}
        definition |= {"internalParameters": dict(self.internal)} if self.internal else {}
        definition |= {"resolvedDependencies": [r.as_json() for r in self.materials]} if self.materials else {}
        subjects = chain(
            (_encode(subject.as_json()) for subject in self.subjects),
            (f'{{"name":{_encode(name)},"digest":{{"sha256":"{sha256}"}}}}' for name, sha256 in files),
        )
        end = {"predicateType": PREDICATE_TYPE, "predicate": {"buildDefinition": definition, "runDetails": details}}
        data = io.BytesIO()
        data.write(f'{{"_type":"{STATEMENT_TYPE}","subject":['.encode())
        separator = ""
        while batch := ",".join(islice(subjects, _BATCH)):
            data.write(f"{separator}{batch}".encode())
            separator = ","
        data.write(f"],{_encode(end)[1:]}".encode())
        return data.getvalue()

    @property
    def digests(self) -> Mapping[str, str]:
        """The SHA-256 of each subject by its name."""
        return {subject.name: subject.digest["sha256"] for subject in self.subjects}


def parse_statement(payload: bytes, name: str, *build_types: str) -> Statement:
    """Parse a statement, of one of these types if they are given; `name` is for errors. Raises MalformedData."""
    document = parse_json(payload, name)
    try:
        types = {"_type": document["_type"], "predicateType": document["predicateType"]}
        statement = _statement(document["subject"], document["predicate"])
    except (KeyError, TypeError, AttributeError) as error:
        raise MalformedData(f"{name} is not a valid statement ({error!r:.100})") from None
    types["buildType"] = statement.build_type
    expected = {"_type": (STATEMENT_TYPE,), "predicateType": (PREDICATE_TYPE,), "buildType": build_types}
    for key, values in expected.items():
        if values and types[key] not in values:
            raise MalformedData(f"{name} has the {key} {str(types[key])[:100]!r}, not {values[0]}")
    subjects = statement.subjects
    if not subjects or not all(s.name and _SHA256.fullmatch(s.digest.get("sha256", "")) for s in subjects):
        raise MalformedData(f"{name} needs subjects with a name and a SHA-256")
    if len({subject.name for subject in subjects}) != len(subjects):
        raise MalformedData(f"{name} has two subjects of one name")
    return statement


def _statement(subjects: Any, predicate: Any) -> Statement:
    definition, details = predicate["buildDefinition"], predicate["runDetails"]
    return Statement(
        _resources(subjects),
        _text(definition["buildType"]),
        _mapping(definition["externalParameters"]),
        _mapping(definition.get("internalParameters", {})),
        _resources(definition.get("resolvedDependencies", [])),
        _resources(details.get("byproducts", [])),
        {key: _text(value) for key, value in _mapping(details["builder"].get("version", {})).items()},
        _text(details["builder"]["id"]),
    )


def _resources(entries: Any) -> tuple[Resource, ...]:
    if not isinstance(entries, list):
        raise TypeError("expected a list of resources")
    return tuple(
        Resource(
            _text(entry.get("name", "")),
            _text(entry.get("uri", "")),
            {key: _text(value) for key, value in _mapping(entry.get("digest", {})).items()},
            _mapping(entry.get("annotations", {})),
        )
        for entry in entries
    )


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _MAX_NAME:
        raise TypeError("expected a text")
    return value


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("expected an object")
    return value


def resource_digest(text: str) -> dict[str, str]:
    """Return the digest of a lock's artifact: `sha256:HEX`, or the sum of a Go module, which in-toto has in hex."""
    algorithm, _, value = text.partition(":")
    if algorithm != "h1":
        return {algorithm: value}
    try:
        return {"dirHash": base64.b64decode(value, validate=True).hex()}
    except binascii.Error:
        return {"goModuleSum": value}


def names(resources: Sequence[Resource]) -> list[str]:
    """Return the names of resources, for messages."""
    return [resource.label for resource in resources]
