"""Patched modules: SBOMs name what they are based on and the patches, and an audit looks them up by that."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kubeparcel.packages import elf
from kubeparcel.trust import spdx
from kubeparcel.trust.document import serialize
from kubeparcel.trust.patched_source import name_published_modules, read_patched_source
from tests.support.elf_files import elf_of_sections, go_build_info
from tests.trust.conftest import SUM, cyclonedx_of, package, spdx_of, valid_spdx

INFO = (
    "path\tk8s.io/kubernetes/cmd/kubectl\nmod\tk8s.io/kubernetes\tv1.36.3\t{main}\n"
    f"dep\tgolang.org/x/net\tv0.49.0\t{SUM}\n"
    "dep\tk8s.io/kubectl\tv0.0.0\n=>\t./patched/k8s.io/kubectl\t(devel)\t\n"
    f"dep\tk8s.io/api\tv0.0.0\n=>\tk8s.io/api\tv0.36.3\t{SUM}\n"
    "build\tCGO_ENABLED=0\n"
)
PATCHED_MAIN = "\n=>\t./patched/k8s.io/kubernetes\t(devel)\t"
RECORD = {
    "component": "kubernetes",
    "version": "1.36.3+fips.acme.1",
    "patches": [
        {"file": "my files/fix-1.patch", "sha256": "a" * 64},
        {"file": "https://example.org/fix-2.patch", "sha256": "b" * 64},
    ],
    "origins": [{"origin": "k8s.io/kubernetes@v1.36.3", "digest": SUM}],
}
REFERENCES = [f"my%20files/fix-1.patch#sha256={'a' * 64}", f"https://example.org/fix-2.patch#sha256={'b' * 64}"]


def program(main: str = SUM) -> bytes:
    return elf_of_sections({".go.buildinfo": go_build_info(INFO.format(main=main))})


def files(record: Any = RECORD, main: str = SUM) -> dict[str, str | bytes]:
    return {"/usr/bin/kubectl": program(main), "/usr/share/doc/small/provenance.json": json.dumps(record)}


def libraries(document: Any) -> dict[str, Any]:
    return {part["name"]: part for part in document["components"] if part["type"] == "library"}


@pytest.mark.parametrize("format_", ["deb", "rpm"])
def test_cyclonedx_has_the_version_and_the_pedigree_of_patched_modules(nfpm, format_):
    modules = libraries(cyclonedx_of(package(nfpm, files(), format_)))
    assert modules["k8s.io/kubectl"]["version"] == "v0.36.3+acme.1"
    assert modules["k8s.io/kubectl"]["purl"] == "pkg:golang/k8s.io/kubectl@v0.36.3%2Bacme.1"
    pedigree = modules["k8s.io/kubectl"]["pedigree"]
    assert [(a["name"], a["version"], a["purl"]) for a in pedigree["ancestors"]] == [
        ("k8s.io/kubectl", "v0.36.3", "pkg:golang/k8s.io/kubectl@v0.36.3")
    ]
    assert [patch["diff"]["url"] for patch in pedigree["patches"]] == REFERENCES
    assert [name for name, part in modules.items() if "pedigree" in part] == ["k8s.io/kubectl"]
    assert modules["k8s.io/kubernetes"]["version"] == "v1.36.3"


def test_patched_main_module_has_a_pedigree(nfpm):
    main = libraries(cyclonedx_of(package(nfpm, files(main=PATCHED_MAIN))))["k8s.io/kubernetes"]
    assert (main["version"], main["pedigree"]["ancestors"][0]["version"]) == ("v1.36.3+acme.1", "v1.36.3")


def test_spdx_relates_patched_modules_to_what_they_are_based_on(nfpm):
    document = spdx_of(package(nfpm, files(main=PATCHED_MAIN)))
    packages = {(row["name"], row["versionInfo"]): row for row in document["packages"]}
    for name, base in (("k8s.io/kubernetes", "v1.36.3"), ("k8s.io/kubectl", "v0.36.3")):
        patched, published = packages[name, f"{base}+acme.1"], packages[name, base]
        assert [row["comment"] for row in patched["annotations"]] == [f"patched with {row}" for row in REFERENCES]
        assert "annotations" not in published
        assert {
            "spdxElementId": patched["SPDXID"],
            "relationshipType": "DESCENDANT_OF",
            "relatedSpdxElement": published["SPDXID"],
        } in document["relationships"]
    release = valid_spdx(serialize(spdx.release_document("kubernetes", "1.36.3+acme.1", [document])))
    assert len([row for row in release["packages"] if row["name"] == "k8s.io/kubectl"]) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"patches": []},
        {"patches": "x"},
        {"patches": [{"file": "x", "sha256": "12"}, 7]},
        {"origins": None},
        {"origins": [{"origin": "k8s.io/kubernetes"}]},
        {"version": "1"},
        {"version": "1.36.3"},
        {"version": None},
    ],
)
def test_record_that_is_no_record_of_patches_adds_nothing(nfpm, change):
    subject = package(nfpm, files({**RECORD, **change}))
    assert subject.patched_source is None
    assert "version" not in libraries(cyclonedx_of(subject))["k8s.io/kubectl"]


def test_unknown_component_has_no_versions_of_other_modules(nfpm):
    source = package(nfpm, files({**RECORD, "component": "other"})).patched_source
    assert (source.modules, source.siblings) == ({"k8s.io/kubernetes": "v1.36.3"}, "")


@pytest.mark.parametrize("main", [SUM, PATCHED_MAIN])
def test_audit_looks_up_the_published_modules(nfpm, tmp_path, main):
    subject = package(nfpm, files(main=main))
    source = read_patched_source(subject.contents)
    binary = tmp_path / "kubectl"
    binary.write_bytes(program(main))
    name_published_modules(binary, source)
    go = elf.read(binary).go
    assert (go.module.path, go.module.version) == ("k8s.io/kubernetes", "v1.36.3")
    assert {module.path: module.version for module in go.dependencies} == {
        "golang.org/x/net": "v0.49.0",
        "k8s.io/kubectl": "v0.36.3",
        "k8s.io/api": "v0.36.3",
    }
    assert go.settings == {"CGO_ENABLED": "0"}
    assert binary.stat().st_size == len(program(main))
