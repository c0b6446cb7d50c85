"""SPDX 2.3 documents of packages and releases, as JSON."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kubeparcel.packages.model import PackageEntry
from kubeparcel.trust.document import (
    HOST_LIBRARY,
    NOASSERTION,
    TOOL,
    TOOL_VERSION,
    Document,
    SbomClaims,
    content_uuid,
    reference,
    spdx_expression,
    utc,
)
from kubeparcel.trust.subject import Component, Link, Subject, is_complete, may_have_components

TITLE = "SPDX"
SUFFIX = ".spdx.json"
IDENTIFIER = "documentNamespace"
"""The field that identifies a document."""

_DOCUMENT = "SPDXRef-DOCUMENT"
_RELATIONSHIPS = {Link.STATIC: "STATIC_LINK", Link.DYNAMIC: "DYNAMIC_LINK"}


def package_document(subject: Subject) -> Document:
    """Return the document of a package: its files, and what is linked into each binary."""
    purl, licenses = subject.purl, subject.file_licenses()
    files = {_id("File", f"{purl}#{entry.path}", entry.path): entry for entry in subject.files}
    linked = {ref: [*subject.linked_components(entry)] for ref, entry in files.items()}
    components = {component.ref: component for row in linked.values() for component in row}
    package = _package(subject)
    patched = [component for component in components.values() if component.base]
    unknown = [ref for ref, entry in files.items() if may_have_components(entry) and not is_complete(entry)]
    return _document(
        subject.file_name,
        utc(subject.contents.build_time),
        [f"Tool: {TOOL}-{TOOL_VERSION}", *([f"Organization: {subject.vendor}"] if subject.vendor else [])],
        packages=[
            package,
            *(_component(component, _annotations(component, subject)) for component in components.values()),
            *(_component(component.ancestor) for component in patched),
        ],
        files=[_file(ref, entry, licenses.get(entry.path, "")) for ref, entry in files.items()],
        relationships=[
            _relationship(_DOCUMENT, "DESCRIBES", package["SPDXID"]),
            *(_relationship(package["SPDXID"], "CONTAINS", ref) for ref in files),
            *(_relationship(ref, _RELATIONSHIPS[c.link], _component_id(c)) for ref, row in linked.items() for c in row),
            *(_relationship(_component_id(c), "DESCENDANT_OF", _component_id(c.ancestor)) for c in patched),
            *(_relationship(ref, "STATIC_LINK", NOASSERTION) for ref in unknown),
        ],
        licenses=_other_licenses(subject.license),
    )


def release_document(name: str, version: str, packages: Sequence[Document]) -> Document:
    """Return the document of a release from those of its packages; modules in several packages are listed once."""
    release: Document = {
        "SPDXID": _id("Release", f"{name}@{version}", f"{name}-{version}"),
        "name": name,
        "versionInfo": version,
        "downloadLocation": NOASSERTION,
        "filesAnalyzed": False,
        "licenseConcluded": NOASSERTION,
        "licenseDeclared": NOASSERTION,
        "copyrightText": NOASSERTION,
    }
    relationships = [row for package in packages for row in package["relationships"]]
    described = [row for row in relationships if row["relationshipType"] == "DESCRIBES"]
    creation = [package["creationInfo"] for package in packages]
    return _document(
        f"{name}-{version}",
        max(info["created"] for info in creation),
        sorted({creator for info in creation for creator in info["creators"]}),
        packages=_merged(packages, "packages", "SPDXID", release),
        files=_merged(packages, "files", "SPDXID"),
        relationships=[
            _relationship(_DOCUMENT, "DESCRIBES", release["SPDXID"]),
            *(_relationship(release["SPDXID"], "CONTAINS", row["relatedSpdxElement"]) for row in described),
            *(row for row in relationships if row["relationshipType"] != "DESCRIBES"),
        ],
        licenses=_merged(packages, "hasExtractedLicensingInfos", "licenseId"),
    )


def _merged(documents: Sequence[Document], key: str, identifier: str, *first: Document) -> list[Document]:
    rows = (*first, *(row for document in documents for row in document.get(key, ())))
    return [*{row[identifier]: row for row in rows}.values()]


def _document(
    name: str,
    created: str,
    creators: Sequence[str],
    packages: Sequence[Document],
    files: Sequence[Document],
    relationships: Sequence[Document],
    licenses: Sequence[Document],
) -> Document:
    content = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": name,
        "creationInfo": {"created": created, "creators": creators},
        "packages": packages,
        "files": files,
        "relationships": relationships,
        **({"hasExtractedLicensingInfos": licenses} if licenses else {}),
    }
    return {**content, IDENTIFIER: identifier(content)}


def identifier(content: Document) -> str:
    """Return the namespace of a document with this content."""
    return f"https://spdx.org/spdxdocs/{_plain(str(content.get('name', '')))}-{content_uuid(content)}"


def _package(subject: Subject) -> Document:
    contents = subject.contents
    return {
        "SPDXID": _id("Package", subject.purl, contents.name),
        "name": contents.name,
        "versionInfo": subject.contents.full_version,
        "packageFileName": subject.file_name,
        **({"supplier": f"Organization: {subject.vendor}"} if subject.vendor else {}),
        "downloadLocation": NOASSERTION,
        "filesAnalyzed": True,
        "packageVerificationCode": {"packageVerificationCodeValue": _verification_code(subject.files)},
        "checksums": [_checksum("SHA256", subject.sha256)],
        **({"homepage": contents.homepage} if contents.homepage else {}),
        "licenseConcluded": NOASSERTION,
        "licenseDeclared": _license(subject.license),
        "copyrightText": NOASSERTION,
        **({"summary": contents.summary} if contents.summary else {}),
        **({"sourceInfo": f"compiled from {', '.join(commits)}"} if (commits := subject.commits()) else {}),
        "externalRefs": [_purl(subject.purl)],
        "primaryPackagePurpose": "INSTALL",
    }


def _verification_code(files: Iterable[PackageEntry]) -> str:
    """Return the code of SPDX 2.3, 7.9: the SHA-1 of all files' SHA-1, sorted."""
    digests = "".join(sorted(entry.sha1 for entry in files))
    return hashlib.sha1(digests.encode(), usedforsecurity=False).hexdigest()


def _file(ref: str, entry: PackageEntry, license_: str) -> Document:
    is_text = entry.data is not None and b"\0" not in entry.data
    return {
        "SPDXID": ref,
        "fileName": f".{entry.path}",
        "fileTypes": ["BINARY" if entry.elf else "TEXT" if is_text else "OTHER"],
        "checksums": [_checksum("SHA1", entry.sha1), _checksum("SHA256", entry.sha256)],
        "licenseConcluded": _license(license_),
        "copyrightText": NOASSERTION,
    }


def _annotations(component: Component, subject: Subject) -> list[Document]:
    """Return a patched module's patches: those of its repository, which has other modules."""
    source = subject.patched_source
    return [
        {
            "annotationDate": utc(subject.contents.build_time),
            "annotationType": "OTHER",
            "annotator": f"Tool: {TOOL}-{TOOL_VERSION}",
            "comment": f"patched with {reference}",
        }
        for reference in (source.references if source and component.base else ())
    ]


def _component(component: Component, annotations: Sequence[Document] = ()) -> Document:
    is_host_library = component.link is Link.DYNAMIC
    return {
        "SPDXID": _component_id(component),
        "name": component.name,
        **({"versionInfo": component.version} if component.version else {}),
        "downloadLocation": NOASSERTION,
        "filesAnalyzed": False,
        **({"checksums": [_checksum("SHA256", component.sha256)]} if component.sha256 else {}),
        "licenseConcluded": NOASSERTION,
        "licenseDeclared": NOASSERTION,
        "copyrightText": NOASSERTION,
        **({"comment": HOST_LIBRARY} if is_host_library else {}),
        **({"sourceInfo": f"replaces the module {component.replaced}"} if component.replaced else {}),
        **({"externalRefs": [_purl(component.purl)]} if component.purl else {}),
        "primaryPackagePurpose": "LIBRARY",
        **({"annotations": annotations} if annotations else {}),
    }


def _component_id(component: Component) -> str:
    return _id("Library" if component.link is Link.DYNAMIC else "Module", component.ref, component.name)


def _license(text: str) -> str:
    return (spdx_expression(text) or reference(text)) if text else NOASSERTION


def _other_licenses(text: str) -> list[Document]:
    if not text or spdx_expression(text):
        return []
    return [{"licenseId": reference(text), "name": text, "extractedText": text}]


def _id(kind: str, key: str, name: str) -> str:
    """Return an identifier that is the same in every document that mentions `key`."""
    return f"SPDXRef-{kind}-{_plain(name)}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-")


def _checksum(algorithm: str, value: str) -> Document:
    return {"algorithm": algorithm, "checksumValue": value}


def _purl(purl: str) -> Document:
    return {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}


def _relationship(element: str, kind: str, other: str) -> Document:
    return {"spdxElementId": element, "relationshipType": kind, "relatedSpdxElement": other}


def parse(document: Mapping[str, Any]) -> SbomClaims:
    """Return what the document of a package claims; raise KeyError, ValueError or the like for any other document."""
    if not document["spdxVersion"].startswith("SPDX-"):
        raise ValueError
    packages = {row["SPDXID"]: row for row in document["packages"]}
    described = [row for row in document["relationships"] if row["relationshipType"] == "DESCRIBES"]
    package = packages[described[0]["relatedSpdxElement"]]
    files = {row["fileName"].removeprefix("."): _sha256(row) for row in document.get("files", ())}
    return SbomClaims(str(package["name"]), str(package["versionInfo"]), _sha256(package), files)


def _sha256(row: Mapping[str, Any]) -> str:
    checksums: Sequence[Mapping[str, Any]] = row.get("checksums", ())
    return next((str(c["checksumValue"]).lower() for c in checksums if c["algorithm"] == "SHA256"), "")
