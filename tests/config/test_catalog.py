"""The catalog, and the user's changes to it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from kubeparcel.config import catalog
from kubeparcel.config.catalog import Catalog, merge_package
from kubeparcel.config.catalog_models import PackageSpec
from kubeparcel.model import Version
from kubeparcel.paths import PACKAGE

MINORS = range(11, 41)


def document() -> dict[str, Any]:
    """Return the unvalidated catalog, to be changed."""
    return yaml.safe_load((PACKAGE / "config/catalog.yaml").read_text())


def cni_pairs(version: str) -> list[str]:
    pairs = catalog.load().components["cni"].pairs
    return [row.version for row in pairs if row.kubernetes.contains(Version.parse(version))]


def test_catalog_has_five_packages_that_every_build_makes():
    names = [name for name, spec in catalog.load().packages.items() if not spec.optional]
    assert names == ["kubeadm", "kubelet", "kubectl", "kubernetes-cni", "cri-tools"]


@pytest.mark.parametrize(
    ("package", "section", "summary"),
    [
        ("kubeadm", "admin", "Command-line utility for administering a Kubernetes cluster"),
        ("kubelet", "net", "Node agent for Kubernetes clusters"),
        ("kubectl", "admin", "Command-line utility for interacting with a Kubernetes cluster"),
        ("kubernetes-cni", "net", "Binaries required to provision kubernetes container networking"),
        ("cri-tools", "admin", "Command-line utility for interacting with a container runtime"),
    ],
)
def test_package_has_the_metadata_of_the_official_one(package, section, summary):
    spec = catalog.load().packages[package]
    assert (spec.section, spec.summary, spec.license) == (section, summary, "Apache-2.0")


@pytest.mark.parametrize("package", ["kubeadm", "kubelet", "kubectl", "kubernetes-cni", "cri-tools"])
def test_description_is_prose_that_fits_a_terminal(package):
    text = catalog.load().packages[package].description
    assert text.strip() == text
    assert all(line.strip() and len(line) < 80 for line in text.splitlines())


@pytest.mark.parametrize("minor", MINORS)
@pytest.mark.parametrize("patch", ["0", "0-rc.1", "1", "99"])
def test_every_kubernetes_version_has_exactly_one_cni_release(minor, patch):
    assert len(cni_pairs(f"1.{minor}.{patch}")) == 1


@pytest.mark.parametrize(
    ("kubernetes", "cni"),
    [
        ("1.11.10", "0.6.0"),
        ("1.12.0", "0.8.7"),
        ("1.24.17", "0.8.7"),
        ("1.25.1", "1.1.1"),
        ("1.27.16", "1.1.1"),
        ("1.28.0", "1.2.0"),
        ("1.30.9", "1.4.0"),
        ("1.32.0", "1.6.2"),
        ("1.33.7", "1.6.2"),
        ("1.34.2", "1.7.1"),
        ("1.35.0", "1.8.0"),
        ("1.36.3", "1.9.1"),
        ("1.37.0-rc.1", "1.9.1"),
    ],
)
def test_kubernetes_version_has_upstreams_cni_release(kubernetes, cni):
    assert cni_pairs(kubernetes) == [cni]


@pytest.mark.parametrize(
    ("path", "rows", "message"),
    [
        (
            ("components", "cni", "pairs"),
            [{"kubernetes": "<1.28.0", "version": "1.1.1"}, {"kubernetes": ">=1.27.0", "version": "1.2.0"}],
            "two rows match the same versions: the first up to 1.28.0 and 1.27.0 up to the newest",
        ),
        (
            ("components", "cni", "upstream"),
            [
                {"versions": "<0.8.1", "archive": "https://a.example/{version}"},
                {"versions": ">=0.8.0", "archive": "https://b.example/{version}"},
            ],
            "two rows match the same versions: the first up to 0.8.1 and 0.8.0 up to the newest",
        ),
        (
            ("packages", "kubelet", "relations"),
            [
                {"depends": "socat (>= 1)", "kubernetes": "<1.32.0"},
                {"depends": "socat (>= 2)", "kubernetes": ">=1.31.0"},
            ],
            (
                "rows 1 and 2 match the same versions: depends socat (>= 1) "
                "(the first up to 1.32.0) and depends socat (>= 2) (1.31.0 up to the newest)"
            ),
        ),
        (
            ("packages", "kubelet", "files"),
            [{"path": "/usr/bin/kubelet", "binary": "kubelet"}] * 2,
            "rows 1 and 2 match the same versions: /usr/bin/kubelet",
        ),
    ],
)
def test_overlapping_rows_are_rejected_naming_both(path, rows, message):
    changed = document()
    *parents, last = path
    parent = changed
    for name in parents:
        parent = parent[name]
    parent[last] = rows
    with pytest.raises(ValidationError) as caught:
        Catalog.model_validate(changed)
    assert message in str(caught.value)
    assert path[1] in str(caught.value)


def test_unknown_key_is_rejected():
    changed = document()
    changed["packages"]["kubelet"]["sumary"] = "x"
    with pytest.raises(ValidationError, match=r"packages\.kubelet\.sumary"):
        Catalog.model_validate(changed)


BASE = PackageSpec.model_validate(
    {
        "summary": "ours",
        "section": "net",
        "files": [{"path": "/usr/bin/x", "binary": "x"}],
        "relations": [{"depends": "socat"}],
        "scripts": [{"at": "preinstall", "template": "ours"}],
    }
)


def test_fields_of_the_user_replace_those_of_the_catalog():
    merged = merge_package(BASE, PackageSpec(summary="user"))
    assert (merged.summary, merged.section) == ("user", "net")


def test_rows_of_the_user_follow_those_of_the_catalog():
    changes = PackageSpec.model_validate(
        {
            "files": [{"path": "/usr/bin/y", "text": "y"}],
            "relations": [{"recommends": "jq"}],
            "scripts": [{"at": "postinstall", "template": "user"}],
        }
    )
    merged = merge_package(BASE, changes)
    assert [row.path for row in merged.files] == ["/usr/bin/x", "/usr/bin/y"]
    assert [str(row) for row in merged.relations] == ["depends socat", "recommends jq"]
    assert [row.template for row in merged.scripts] == ["ours", "user"]
