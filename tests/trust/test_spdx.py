"""SPDX documents of packages: valid, and true of what the package contains."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from kubeparcel.trust import spdx
from kubeparcel.trust.document import serialize
from tests.trust.conftest import CGO_PROGRAM, GO_PROGRAM, NFPM, SUM_AS_SHA256, package, spdx_of, valid_spdx

BOTH = ("deb", "rpm")


def packages(document: Any) -> dict[str, Any]:
    return {row["name"]: row for row in document["packages"]}


def related(document: Any, path: str) -> set[tuple[str, str]]:
    """Return the relationships of a file, with the name of the other element."""
    (file,) = [row for row in document["files"] if row["fileName"] == f".{path}"]
    names = {row["SPDXID"]: row["name"] for row in document["packages"]}
    rows = (row for row in document["relationships"] if row["spdxElementId"] == file["SPDXID"])
    return {(r["relationshipType"], names.get(r["relatedSpdxElement"], r["relatedSpdxElement"])) for r in rows}


@pytest.mark.parametrize("format_", BOTH)
def test_document_names_the_package_its_digest_and_its_files(nfpm, format_):
    subject = package(nfpm, {"/etc/x": "x", "/etc/y": "y"}, format_)
    document = spdx_of(subject)
    described = packages(document)["small"]
    assert (described["versionInfo"], described["packageFileName"]) == ("1.0.0-2", f"small.{format_}")
    sha256 = hashlib.sha256(subject.contents.file.read_bytes()).hexdigest()
    assert described["checksums"] == [{"algorithm": "SHA256", "checksumValue": sha256}]
    sha1 = sorted(hashlib.sha1(data).hexdigest() for data in (b"x", b"y"))
    code = hashlib.sha1("".join(sha1).encode()).hexdigest()
    assert described["packageVerificationCode"] == {"packageVerificationCodeValue": code}
    assert [row["fileName"] for row in document["files"]] == ["./etc/x", "./etc/y"]


def test_go_program_is_linked_with_its_modules(nfpm):
    document = spdx_of(package(nfpm, {"/usr/bin/tool": GO_PROGRAM}))
    assert related(document, "/usr/bin/tool") == {
        ("STATIC_LINK", "example.org/m"),
        ("STATIC_LINK", "stdlib"),
        ("STATIC_LINK", "github.com/Azure/Thing"),
        ("STATIC_LINK", "example.org/fork/v2"),
        ("STATIC_LINK", "example.org/local"),
    }
    fork = packages(document)["example.org/fork/v2"]
    assert fork["checksums"] == [{"algorithm": "SHA256", "checksumValue": SUM_AS_SHA256}]
    assert fork["sourceInfo"] == "replaces the module example.org/d"
    assert "versionInfo" not in packages(document)["example.org/local"]


def test_real_go_program_is_valid(nfpm):
    assert len(spdx_of(package(nfpm, {"/usr/bin/nfpm": NFPM.read_bytes()}))["packages"]) > 50


@pytest.mark.parametrize("program", ["cgo", "c", "script"])
def test_unknown_static_links_are_noassertion(nfpm, c_program, program):
    data = {"cgo": CGO_PROGRAM, "c": c_program, "script": b"#!/bin/sh\n"}[program]
    document = spdx_of(package(nfpm, {"/usr/bin/tool": data}))
    assert ("STATIC_LINK", "NOASSERTION") in related(document, "/usr/bin/tool")
    assert (("DYNAMIC_LINK", "libc.so.6") in related(document, "/usr/bin/tool")) == (program == "c")


@pytest.mark.parametrize(
    ("license_", "declared", "others"),
    [("MIT", "MIT", []), ("acme EULA, v2", "LicenseRef-acme-EULA-v2", ["acme EULA, v2"]), ("", "NOASSERTION", [])],
)
def test_license_that_spdx_does_not_list_is_quoted(nfpm, license_, declared, others):
    document = spdx_of(package(nfpm, {"/etc/x": "x"}, license_=license_))
    assert packages(document)["small"]["licenseDeclared"] == declared
    assert [row["extractedText"] for row in document.get("hasExtractedLicensingInfos", ())] == others


def test_document_depends_on_the_package_alone(nfpm):
    subject = package(nfpm, {"/usr/bin/tool": GO_PROGRAM})
    assert serialize(spdx.package_document(subject)) == serialize(spdx.package_document(subject))
    other = spdx_of(package(nfpm, {"/usr/bin/tool": CGO_PROGRAM}))
    assert other["documentNamespace"] != spdx_of(subject)["documentNamespace"]


def test_release_contains_each_package_and_each_module_once(nfpm):
    documents = [spdx.package_document(package(nfpm, {"/usr/bin/tool": GO_PROGRAM}, format_)) for format_ in BOTH]
    document = valid_spdx(serialize(spdx.release_document("kubernetes", "1.36.3", documents)))
    assert len(document["packages"]) == 1 + 2 + 5
    contained = [row["relatedSpdxElement"] for row in document["relationships"] if "Release" in row["spdxElementId"]]
    assert contained == [row["packages"][0]["SPDXID"] for row in documents]
