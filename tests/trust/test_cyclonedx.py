"""CycloneDX documents of packages: valid, and true of what the package contains."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from kubeparcel.trust import cyclonedx
from kubeparcel.trust.document import serialize, utc
from tests.trust.conftest import CGO_PROGRAM, GO_PROGRAM, NFPM, SUM_AS_SHA256, cyclonedx_of, package, valid_cyclonedx

BOTH = ("deb", "rpm")


def components(document: Any, kind: str) -> dict[str, Any]:
    return {part["name"]: part for part in document["components"] if part["type"] == kind}


def dependencies(document: Any, path: str) -> list[str]:
    """Return the references of what a file depends on."""
    ref = components(document, "file")[path]["bom-ref"]
    return next((row["dependsOn"] for row in document["dependencies"] if row["ref"] == ref), [])


def aggregate(document: Any, path: str) -> str:
    """Return what a document says of how much it knows of a file's dependencies."""
    ref = components(document, "file")[path]["bom-ref"]
    return next(row["aggregate"] for row in document["compositions"] if ref in row.get("dependencies", ()))


@pytest.mark.parametrize(
    ("format_", "purl"),
    [("deb", "pkg:deb/acme/small@1.0.0-2?arch=amd64"), ("rpm", "pkg:rpm/acme/small@1.0.0-2?arch=x86_64")],
)
def test_document_names_the_package_and_its_digest(nfpm, format_, purl):
    subject = package(nfpm, {"/etc/x": "x"}, format_)
    document = cyclonedx_of(subject)
    described = document["metadata"]["component"]
    assert (described["name"], described["version"], described["purl"]) == ("small", "1.0.0-2", purl)
    sha256 = hashlib.sha256(subject.contents.file.read_bytes()).hexdigest()
    assert described["hashes"] == [{"alg": "SHA-256", "content": sha256}]
    assert described["licenses"] == [{"expression": "Apache-2.0"}]
    assert described["supplier"] == {"name": "acme"}


@pytest.mark.parametrize("format_", BOTH)
def test_every_file_is_listed_with_its_digest(nfpm, format_):
    document = cyclonedx_of(package(nfpm, {"/etc/x": "x", "/usr/bin/tool": GO_PROGRAM}, format_))
    digests = {path: part["hashes"][0]["content"] for path, part in components(document, "file").items()}
    assert digests == {
        "/etc/x": hashlib.sha256(b"x").hexdigest(),
        "/usr/bin/tool": hashlib.sha256(GO_PROGRAM).hexdigest(),
    }


def test_go_program_lists_its_modules_and_the_standard_library(nfpm):
    document = cyclonedx_of(package(nfpm, {"/usr/bin/tool": GO_PROGRAM}))
    modules = components(document, "library")
    assert {name: part.get("version") for name, part in modules.items()} == {
        "example.org/m": "v1.2.3",
        "stdlib": "1.26.8",
        "github.com/Azure/Thing": "v0.1.0+incompatible",
        "example.org/fork/v2": "v2.0.0-20250102033503-faa5f7b0171c",
        "example.org/local": None,
    }
    assert modules["github.com/Azure/Thing"]["purl"] == "pkg:golang/github.com/Azure/Thing@v0.1.0%2Bincompatible"
    assert modules["example.org/m"]["hashes"] == [{"alg": "SHA-256", "content": SUM_AS_SHA256}]
    assert "hashes" not in modules["github.com/Azure/Thing"]  # its sum is none
    assert modules["example.org/fork/v2"]["properties"] == [
        {"name": "kubeparcel:go:replaces", "value": "example.org/d"}
    ]
    assert {*dependencies(document, "/usr/bin/tool")} == {part["bom-ref"] for part in modules.values()}
    assert aggregate(document, "/usr/bin/tool") == "complete"


def test_real_go_program_is_complete(nfpm):
    document = cyclonedx_of(package(nfpm, {"/usr/bin/nfpm": NFPM.read_bytes()}))
    modules = components(document, "library")
    assert len(modules) > 50
    assert [name for name, part in modules.items() if "hashes" not in part] == ["stdlib"]


def test_what_else_is_in_a_cgo_program_is_unknown(nfpm):
    document = cyclonedx_of(package(nfpm, {"/usr/bin/tool": CGO_PROGRAM}))
    assert "stdlib" in components(document, "library")
    assert aggregate(document, "/usr/bin/tool") == "unknown"


def test_c_program_lists_the_libraries_of_the_host_and_claims_no_more(nfpm, c_program):
    document = cyclonedx_of(package(nfpm, {"/usr/bin/tool": c_program}))
    libraries = components(document, "library")
    assert list(libraries) == ["libc.so.6"]
    assert "the host provides" in libraries["libc.so.6"]["description"]
    assert {"version", "purl", "hashes"}.isdisjoint(libraries["libc.so.6"])
    assert aggregate(document, "/usr/bin/tool") == "unknown"


def test_dependencies_of_a_script_are_unknown(nfpm):
    document = cyclonedx_of(package(nfpm, {"/usr/bin/tool": "#!/bin/sh\n", "/etc/x": "x"}))
    assert components(document, "library") == {}
    assert aggregate(document, "/usr/bin/tool") == "unknown"
    assert {"aggregate": "complete", "assemblies": ["pkg:deb/acme/small@1.0.0-2?arch=amd64"]} in document[
        "compositions"
    ]


def test_modules_of_several_programs_are_listed_once(nfpm):
    document = cyclonedx_of(package(nfpm, {"/usr/bin/a": GO_PROGRAM, "/usr/bin/b": CGO_PROGRAM}))
    assert len(components(document, "library")) == 5
    assert dependencies(document, "/usr/bin/a") == dependencies(document, "/usr/bin/b")


@pytest.mark.parametrize(
    ("license_", "licenses"),
    [
        ("apache-2.0 or mit", [{"expression": "Apache-2.0 OR MIT"}]),
        ("proprietary", [{"license": {"name": "proprietary"}}]),
        ("", None),
    ],
)
def test_license_is_an_expression_or_a_name(nfpm, license_, licenses):
    document = cyclonedx_of(package(nfpm, {"/etc/x": "x"}, license_=license_))
    assert document["metadata"]["component"].get("licenses") == licenses


@pytest.mark.parametrize("vendor", ["", "Acme & Söhne GmbH"])
def test_any_vendor_gives_a_valid_document(nfpm, vendor):
    document = cyclonedx_of(package(nfpm, {"/etc/x": "x"}, vendor=vendor))
    assert document["metadata"]["component"].get("supplier", {}).get("name", "") == vendor


@pytest.mark.parametrize("format_", BOTH)
def test_document_depends_on_the_package_alone(nfpm, format_):
    files = {"/usr/bin/tool": GO_PROGRAM, "/etc/x": "x"}
    first, second = (serialize(cyclonedx.package_document(package(nfpm, files, format_))) for _ in range(2))
    assert first == second
    other = cyclonedx_of(package(nfpm, {**files, "/etc/x": "y"}, format_))
    assert other["serialNumber"] != valid_cyclonedx(first)["serialNumber"]
    assert other["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"


def test_release_lists_each_package_and_each_module_once(nfpm):
    packages = [cyclonedx.package_document(package(nfpm, {"/usr/bin/tool": GO_PROGRAM}, format_)) for format_ in BOTH]
    document = valid_cyclonedx(serialize(cyclonedx.release_document("kubernetes", "1.36.3", packages)))
    assert document["metadata"]["component"]["purl"] == "pkg:generic/kubernetes@1.36.3"
    assert len(components(document, "library")) == 5
    purls = [package["metadata"]["component"]["purl"] for package in packages]
    assert document["dependencies"][0] == {"ref": "pkg:generic/kubernetes@1.36.3", "dependsOn": purls}


def test_a_time_that_no_date_has_is_the_latest():
    """As the header of a deb from elsewhere may have it."""
    assert utc(999_999_999_999) == "2106-02-07T06:28:15Z"
    assert utc(0) == "1970-01-01T00:00:00Z"
