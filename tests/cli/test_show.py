"""The task show: what is in a package, by path or by name in the output folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kubeparcel.packages.reader import read_package
from tests.support.archive_builders import File, cpio
from tests.support.package_builders import deb, rpm
from tests.support.sample_packages import SamplePackages, sample_packages


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> SamplePackages:
    return sample_packages(tmp_path_factory.mktemp("samples"))


@pytest.fixture
def dist(workdir: Path, samples: SamplePackages) -> Path:
    """The output folder with the packages whose names begin with kube, in both formats."""
    for manifest in samples.manifests.values():
        if manifest.name.startswith("kube"):
            samples.write(manifest, None, workdir / "dist" / str(manifest.format))
    for path in [path for path in (workdir / "dist").rglob("*") if path.name.startswith("source-")]:
        path.unlink()
    return workdir / "dist"


def sections(text: str) -> dict[str, str]:
    """Return the sections of a package's text by title."""
    blocks: dict[str, str] = {}
    title = ""
    for line in text.splitlines():
        title = title if line.startswith(" ") or not line else line
        blocks[title] = blocks.get(title, "") + line + "\n"
    return blocks


def test_package_of_the_output_folder_is_shown_in_both_formats(kubeparcel, dist):
    code, out, err = kubeparcel("show", "kubelet")
    assert (code, err) == (0, "")
    assert out.startswith("kubelet 1.36.3-1 amd64 (deb)\n  File         dist/deb/kubelet_1.36.3-1_amd64.deb\n")
    assert "\n\nkubelet 1.36.3-1 x86_64 (rpm)\n" in out


def test_text_has_files_scripts_relations_and_provenance(kubeparcel, dist):
    shown = sections(kubeparcel("show", "dist/deb/kubelet_1.36.3-1_amd64.deb")[1])
    assert "  0755 root:root   1.2 kB /usr/bin/kubelet\n" in shown["Files"]
    assert "/etc/default/kubelet (config)\n" in shown["Files"]
    assert "  0755 root:root          /etc/kubernetes/manifests/\n" in shown["Files"]
    assert "  depends      kubernetes-cni (>= 1.2.0), iptables (>= 1.4.21), " in shown["Relations"]
    assert "  postinst (/bin/sh)\n    #!/bin/sh\n    set -e\n" in shown["Scripts"]
    assert "  toolchain    go1.26.8\n" in shown["Provenance"]
    assert "    kubelet\n      sha256:" in shown["Provenance"]


def test_text_fits_80_columns_except_scripts(kubeparcel, dist):
    out = kubeparcel("show", "kubelet", "kubeadm", "kubectl", "kubernetes-cni")[1]
    long = [line for line in out.splitlines() if len(line) > 80]
    assert all(line.startswith("    ") and "/usr" not in line for line in long), long


def test_json_is_one_document_that_agrees_with_the_reader(kubeparcel, dist):
    code, out, _ = kubeparcel("show", "kubelet", "--json")
    debs, rpms = json.loads(out)["packages"]
    assert (code, debs["format"], rpms["format"]) == (0, "deb", "rpm")
    for shown in (debs, rpms):
        contents = read_package(Path(shown["file"]))
        assert [file["path"] for file in shown["files"]] == [entry.path for entry in contents.entries]
        binary = next(file for file in shown["files"] if file["path"] == "/usr/bin/kubelet")
        assert (binary["mode"], binary["owner"]) == ("0755", "root")
        assert f"sha256:{binary['sha256']}" == shown["provenance"]["binaries"]["kubelet"]
        assert shown["relations"]["depends"] == list(contents.relations["depends"])
        assert set(shown["scripts"]) == set(contents.scripts)
    assert "config" in next(file for file in rpms["files"] if file["path"] == "/etc/sysconfig/kubelet")["flags"]


def test_newest_version_of_a_name_is_shown_unless_one_is_given(kubeparcel, workdir):
    (workdir / "dist").mkdir()
    for version in ("1.36.9-1", "1.36.10-1", "1.37.0~rc.1-1"):
        deb(workdir / "dist", "kubelet", version)
        rpm(workdir / "dist", "kubelet", version)
    assert kubeparcel("show", "kubelet")[1].count("kubelet 1.37.0~rc.1-1 ") == 2
    out = kubeparcel("show", "kubelet=1.36.9-1")[1]
    assert "kubelet 1.36.9-1 amd64 (deb)" in out
    assert "kubelet 1.36.9-1 x86_64 (rpm)" in out
    assert "1.36.10" not in out


def test_package_of_another_maker_without_provenance_is_shown(kubeparcel, workdir):
    file = deb(
        workdir, "tools", "1:2.0-1", "all", "libc6 (>= 2.36) | musl", fields="Homepage: https://example.invalid\n"
    )
    out = kubeparcel("show", str(file))[1]
    assert out.startswith("tools 1:2.0-1 all (deb)\n")
    assert "libc6 (>= 2.36) | musl" in out
    assert "Provenance" not in sections(out)


def test_faults_of_a_package_are_shown(kubeparcel, workdir, monkeypatch):
    file = deb(workdir, "tools")
    monkeypatch.setattr("tests.support.package_builders.cpio", lambda *_: cpio(File("/usr/share/tools/file", b"no\n")))
    other = rpm(workdir, "tools")
    assert "Faults" not in sections(kubeparcel("show", str(file))[1])
    assert "its digest in FILEDIGESTS is" in " ".join(sections(kubeparcel("show", str(other))[1])["Faults"].split())


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ((), 2, "Missing PACKAGE"),
        (("kubelte",), 2, "No package kubelte in dist.\n  It has kubeadm, kubectl, kubelet, kubernetes-cni."),
        (("kubelet=1.0-1",), 2, "It has kubeadm, kubectl, kubelet=1.36.3-1, kubernetes-cni."),
        (("./kubelet.deb",), 2, "kubelet.deb: no such file or folder."),
        (("broken.deb",), 1, "broken.deb is neither a deb nor an rpm."),
    ],
)
def test_what_cannot_be_shown_is_an_error(kubeparcel, dist, words, code, message):
    Path("broken.deb").write_text("<html>")
    actual, out, err = kubeparcel("show", *words)
    assert (actual, out) == (code, "")
    assert message in err


def test_missing_output_folder_is_an_error(kubeparcel):
    code, _, err = kubeparcel("show", "kubelet")
    assert code == 2
    assert "dist: no such file or folder." in err
