"""The SBOMs that a build writes into the output folder."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Program
from tests.trust.conftest import valid_cyclonedx, valid_spdx

FAST = ("build", "--kubernetes", "1.36.3", "--compression", "fast", "--format", "deb")
OWN_PACKAGE = """
packages:
  acme-tools:
    summary: Tools of acme
    version: 1.0.0
    license: proprietary
    arch: all
    files:
      - {path: /usr/bin/acme-tool, text: "#!/bin/sh\\necho acme\\n", mode: "0755"}
"""


@pytest.fixture
def sbom_folder(kubeparcel: Program, fake_sources, workdir: Path) -> Path:
    """Return the folder of SBOMs of a build with a package of the user's own."""
    fake_sources()
    (workdir / "kubeparcel.yaml").write_text(OWN_PACKAGE)
    code, out, err = kubeparcel(*FAST)
    assert code == 0, out + err
    assert "6 packages" in out
    assert "14 SBOMs" in out
    return workdir / "dist/sbom"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_build_writes_valid_sboms_of_each_package_and_the_release(sbom_folder):
    packages = [path.name for path in (sbom_folder.parent / "deb").iterdir()]
    assert len(packages) == 6
    expected = {
        f"{name}{suffix}" for name in (*packages, "kubernetes-1.36.3-1") for suffix in (".cdx.json", ".spdx.json")
    }
    documents = contents(sbom_folder)
    assert documents.keys() == expected
    for name in ("kubelet_1.36.3-1_amd64.deb", "acme-tools_1.0.0-1_all.deb", "kubernetes-1.36.3-1"):
        valid_cyclonedx(documents[f"{name}.cdx.json"])
        valid_spdx(documents[f"{name}.spdx.json"])
    release = json.loads(documents["kubernetes-1.36.3-1.cdx.json"])
    names = {part["name"] for part in release["components"] if part["type"] == "application"}
    assert names == {"kubeadm", "kubelet", "kubectl", "kubernetes-cni", "cri-tools", "acme-tools"}


def test_own_package_has_its_own_license_and_claims_nothing_about_its_files(sbom_folder):
    document = json.loads((sbom_folder / "acme-tools_1.0.0-1_all.deb.cdx.json").read_bytes())
    package = document["metadata"]["component"]
    assert package["licenses"] == [{"license": {"name": "proprietary"}}]
    assert package["purl"] == "pkg:deb/kubeparcel/acme-tools@1.0.0-1?arch=all"
    (tool,) = [part for part in document["components"] if part["name"] == "/usr/bin/acme-tool"]
    assert "licenses" not in tool
    assert {"aggregate": "unknown", "dependencies": [tool["bom-ref"]]} in document["compositions"]


def test_files_of_kubeparcel_have_a_license_and_binaries_name_their_download(sbom_folder):
    document = json.loads((sbom_folder / "kubelet_1.36.3-1_amd64.deb.cdx.json").read_bytes())
    licenses = {part["name"]: part.get("licenses") for part in document["components"]}
    assert licenses["/lib/systemd/system/kubelet.service"] == [{"expression": "Apache-2.0"}]
    assert licenses["/usr/bin/kubelet"] is None
    references = document["metadata"]["component"]["externalReferences"]
    assert "https://kubernetes.example/v1.36.3/amd64/kubelet" in [row["url"] for row in references]


def test_sha256sum_confirms_packages_and_sboms(sbom_folder):
    command = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    out = subprocess.run(command, cwd=sbom_folder.parent, capture_output=True, text=True, check=True).stdout
    assert out.count(": OK") == 6 + 14


def test_second_build_changes_nothing(sbom_folder, kubeparcel):
    before = {path: path.stat().st_mtime_ns for path in sbom_folder.iterdir()}
    code, out, _ = kubeparcel(*FAST)
    assert code == 0
    assert "Nothing to do" in out
    assert {path: path.stat().st_mtime_ns for path in sbom_folder.iterdir()} == before


def test_missing_and_changed_sboms_are_written_again(sbom_folder, kubeparcel):
    before = contents(sbom_folder)
    for path in sorted(sbom_folder.iterdir())[:3]:
        path.unlink()
    (sbom_folder / "kubelet_1.36.3-1_amd64.deb.spdx.json").write_text("{}")
    code, out, _ = kubeparcel(*FAST)
    assert code == 0
    assert "Nothing to do" not in out
    assert contents(sbom_folder) == before


def test_sboms_are_the_same_wherever_and_whenever_they_are_written(sbom_folder, kubeparcel, tmp_path, monkeypatch):
    before = contents(sbom_folder)
    monkeypatch.setenv("KUBEPARCEL_CACHE", str(tmp_path / "another-cache"))
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    code, out, err = kubeparcel(*FAST, "--out", "elsewhere")
    assert code == 0, out + err
    assert contents(sbom_folder.parents[1] / "elsewhere/sbom") == before


def test_build_without_sboms_removes_those_of_its_packages(sbom_folder, kubeparcel):
    code, out, _ = kubeparcel(*FAST, "--no-sbom", "--json")
    assert code == 0
    assert json.loads(out)["sboms"] == json.loads(out)["changed"] == []
    assert not sbom_folder.exists() or [*sbom_folder.iterdir()] == []
    sums = (sbom_folder.parent / "SHA256SUMS").read_text()
    assert "sbom/" not in sums


def test_setting_and_variable_turn_sboms_off(kubeparcel, workdir, monkeypatch):
    (workdir / "kubeparcel.yaml").write_text("sbom: false\n")
    assert "sbom: false" in kubeparcel("config")[1]
    monkeypatch.setenv("KUBEPARCEL_SBOM", "true")
    assert "sbom: true" in kubeparcel("config")[1]
    out = kubeparcel("config", "--no-sbom", "--origin")[1]
    assert "sbom: false" in out
    assert "# --no-sbom" in out
    monkeypatch.setenv("KUBEPARCEL_SBOM", "perhaps")
    code, _, err = kubeparcel("config")
    assert code == 2
    assert "KUBEPARCEL_SBOM" in err


def test_clean_removes_sboms(sbom_folder, kubeparcel):
    kubeparcel("clean")
    assert not sbom_folder.parent.exists()


def test_verify_refuses_the_sbom_of_another_package(sbom_folder, kubeparcel):
    other = (sbom_folder / "kubectl_1.36.3-1_amd64.deb.cdx.json").read_bytes()
    (sbom_folder / "kubelet_1.36.3-1_amd64.deb.cdx.json").write_bytes(other)
    code, out, _ = kubeparcel("verify")
    assert code == 1
    assert "sbom" in out
    assert "kubectl 1.36.3-1" in out
    assert "kubelet 1.36.3-1" in out
