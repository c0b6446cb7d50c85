"""CycloneDX 1.6 (ECMA-424) documents of packages and releases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from kubeparcel.packages.model import PackageEntry
from kubeparcel.trust.document import (
    HOST_LIBRARY,
    TOOL,
    TOOL_VERSION,
    Document,
    SbomClaims,
    content_uuid,
    spdx_expression,
    utc,
)
from kubeparcel.trust.patched_source import PatchedSource
from kubeparcel.trust.subject import Component, Link, Subject, is_complete, may_have_components

TITLE = "CycloneDX"
SUFFIX = ".cdx.json"
IDENTIFIER = "serialNumber"
"""The field that identifies a document."""

_HASH = "SHA-256"
_PROPERTY = "kubeparcel"


def package_document(subject: Subject) -> Document:
    """Return the document of a package: its files, and what is linked into each binary."""
    purl, licenses = subject.purl, subject.file_licenses()
    files = {f"{purl}#{entry.path}": entry for entry in subject.files}
    linked = {ref: [*subject.linked_components(entry)] for ref, entry in files.items()}
    components = {component.ref: component for row in linked.values() for component in row}
    programs = {ref: entry for ref, entry in files.items() if may_have_components(entry)}
    return _document(
        timestamp=utc(subject.contents.build_time),
        component=_package(subject),
        components=[
            *(_file(ref, entry, licenses.get(entry.path, "")) for ref, entry in files.items()),
            *(_component(component, subject.patched_source) for component in components.values()),
        ],
        dependencies=[
            _dependency(purl, programs),
            *(_dependency(ref, (c.ref for c in linked[ref])) for ref in programs if linked[ref]),
        ],
        compositions=[
            {"aggregate": "complete", "assemblies": [purl]},
            *_composition("complete", (ref for ref, entry in programs.items() if is_complete(entry))),
            *_composition("unknown", (ref for ref, entry in programs.items() if not is_complete(entry))),
        ],
    )


def release_document(name: str, version: str, packages: Sequence[Document]) -> Document:
    """Return the document of a release from those of its packages; modules in several packages are listed once."""
    purl = f"pkg:generic/{name}@{version}"
    subjects = [package["metadata"]["component"] for package in packages]
    parts = [*subjects, *(part for package in packages for part in package["components"])]
    rows = {row["ref"]: row for package in packages for row in package["dependencies"]}
    aggregates: dict[str, list[Document]] = {}
    for row in (row for package in packages for row in package["compositions"]):
        aggregates.setdefault(row["aggregate"], []).append(row)
    return _document(
        timestamp=max(package["metadata"]["timestamp"] for package in packages),
        component={"type": "application", "bom-ref": purl, "name": name, "version": version, "purl": purl},
        components=[*{part["bom-ref"]: part for part in parts}.values()],
        dependencies=[_dependency(purl, (subject["bom-ref"] for subject in subjects)), *rows.values()],
        compositions=[
            {
                "aggregate": name,
                **{key: values for key in ("assemblies", "dependencies") if (values := _all(rows, key))},
            }
            for name, rows in aggregates.items()
        ],
    )


def _all(rows: Iterable[Document], key: str) -> list[str]:
    return [ref for row in rows for ref in row.get(key, ())]


def _document(
    timestamp: str,
    component: Document,
    components: Sequence[Document],
    dependencies: Sequence[Document],
    compositions: Sequence[Document],
) -> Document:
    tool = {"type": "application", "name": TOOL, "version": TOOL_VERSION}
    content = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": timestamp,
            "lifecycles": [{"phase": "post-build"}],
            "tools": {"components": [tool]},
            "component": component,
        },
        "components": components,
        "dependencies": dependencies,
        "compositions": compositions,
    }
    return {**content, IDENTIFIER: identifier(content)}


def identifier(content: Document) -> str:
    """Return the serial number of a document with this content."""
    return content_uuid(content).urn


def _package(subject: Subject) -> Document:
    contents = subject.contents
    references: list[Document] = [{"type": "website", "url": contents.homepage}] * bool(contents.homepage)
    references += [{"type": "distribution", "url": url, "hashes": [_hash(digest)]} for url, digest in subject.origins()]
    references += [{"type": "vcs", "url": uri} for uri in subject.commits()]
    return {
        "type": "application",
        "bom-ref": subject.purl,
        **({"supplier": {"name": subject.vendor}} if subject.vendor else {}),
        "name": contents.name,
        "version": subject.contents.full_version,
        **({"description": contents.summary} if contents.summary else {}),
        "hashes": [_hash(subject.sha256)],
        **_licenses(subject.license),
        "purl": subject.purl,
        **({"externalReferences": references} if references else {}),
        "properties": [_property("file", subject.file_name)],
    }


def _file(ref: str, entry: PackageEntry, license_: str) -> Document:
    return {"type": "file", "bom-ref": ref, "name": entry.path, "hashes": [_hash(entry.sha256)], **_licenses(license_)}


def _component(component: Component, source: PatchedSource | None) -> Document:
    is_host_library = component.link is Link.DYNAMIC
    properties = [_property("go:replaces", component.replaced)] * bool(component.replaced)
    return {
        "type": "library",
        "bom-ref": component.ref,
        "name": component.name,
        **({"version": component.version} if component.version else {}),
        **({"description": HOST_LIBRARY} if is_host_library else {}),
        **({"hashes": [_hash(component.sha256)]} if component.sha256 else {}),
        **({"purl": component.purl} if component.purl else {}),
        **(_pedigree(component.ancestor, source) if source and component.base else {}),
        **({"properties": properties} if properties else {}),
    }


def _pedigree(ancestor: Component, source: PatchedSource) -> Document:
    """Return where a patched module comes from. The patches are those of its repository, which has other modules."""
    patches = [{"type": "unofficial", "diff": {"url": reference}} for reference in source.references]
    return {"pedigree": {"ancestors": [_component(ancestor, None)], "patches": patches}}


def _licenses(text: str) -> Document:
    if not text:
        return {}
    expression = spdx_expression(text)
    return {"licenses": [{"expression": expression} if expression else {"license": {"name": text}}]}


def _hash(sha256: str) -> Document:
    return {"alg": _HASH, "content": sha256}


def _property(name: str, value: str) -> Document:
    return {"name": f"{_PROPERTY}:{name}", "value": value}


def _dependency(ref: str, others: Iterable[str]) -> Document:
    return {"ref": ref, "dependsOn": [*dict.fromkeys(others)]}


def _composition(aggregate: str, refs: Iterator[str]) -> list[Document]:
    dependencies = [*refs]
    return [{"aggregate": aggregate, "dependencies": dependencies}] if dependencies else []


def parse(document: Mapping[str, Any]) -> SbomClaims:
    """Return what the document of a package claims; raise KeyError, ValueError or the like for any other document."""
    if document["bomFormat"] != "CycloneDX":
        raise ValueError
    package = document["metadata"]["component"]
    files = {str(part["name"]): _sha256(part) for part in document["components"] if part["type"] == "file"}
    return SbomClaims(str(package["name"]), str(package["version"]), _sha256(package), files)


def _sha256(part: Mapping[str, Any]) -> str:
    hashes: Sequence[Mapping[str, Any]] = part.get("hashes", ())
    return next((str(row["content"]).lower() for row in hashes if row["alg"] == _HASH), "")
