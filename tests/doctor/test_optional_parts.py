"""Optional parts of indexes that clients honor: other base URLs, folders above, fields left out."""

from __future__ import annotations

import gzip
import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kubeparcel.doctor.report import DoctorReport
from kubeparcel.errors import DownloadError
from tests.doctor.conftest import edit_release
from tests.support.package_builders import five
from tests.support.web_server import WebServer, serve_folder

INDEX_CHECKS = {"indexes", "entries", "files", "inside", "closure", "release-fields"}
Edit = Callable[[str], str]


@pytest.fixture
def web(tmp_path: Path) -> Iterator[WebServer]:
    """A server of another place, `elsewhere`, with the packages."""
    five(tmp_path / "elsewhere/pool")
    with serve_folder(tmp_path / "elsewhere") as server:
        yield server


def yum(root: Path, base_url: str = "", edit: Edit = str) -> Path:
    """Write the metadata of a yum repository of the five packages; `edit` changes primary."""
    if not shutil.which("createrepo_c"):
        pytest.skip("createrepo_c is not installed")
    for path in five(root).glob("*.deb"):
        path.unlink()
    options = ["--baseurl", base_url] if base_url else []
    subprocess.run(["createrepo_c", "--quiet", *options, root], check=True, capture_output=True)
    (primary,) = (root / "repodata").glob("*-primary.xml.*")
    old = primary.read_bytes()
    text = edit(gzip.decompress(old).decode()).encode()
    new = gzip.compress(text, mtime=0)
    primary.write_bytes(new)
    repomd = root / "repodata/repomd.xml"
    changed = repomd.read_text()
    for before, after in ((old, new), (gzip.decompress(old), text)):
        changed = changed.replace(hashlib.sha256(before).hexdigest(), hashlib.sha256(after).hexdigest())
        changed = changed.replace(f"size>{len(before)}<", f"size>{len(after)}<")
    primary.rename(primary.with_name(f"{hashlib.sha256(new).hexdigest()}-primary.xml.gz"))
    repomd.write_text(changed)
    return root


def failed(report: DoctorReport) -> set[str]:
    """Return the failed checks of indexes and packages: these repositories are unsigned."""
    return INDEX_CHECKS & {check.name for check in report.report.failed}


def test_packages_at_the_xml_base_of_primary_are_read_there(tmp_path, web, doctor):
    root = yum(tmp_path / "repo", f"{web.address}/pool/")
    for path in root.glob("*.rpm"):
        path.unlink()
    report = doctor(root, follow=["127.0.0.1"])
    assert failed(report) == set(), report.as_text()
    assert sum(path.endswith(".rpm") for path in web.requested_paths) >= 5
    next(Path(web.root).rglob("kubelet-*.rpm")).unlink()
    report = doctor(root, follow=["127.0.0.1"])
    assert failed(report) == {"files"}
    assert f"location {web.address}/pool/kubelet-1.36.3-1.x86_64.rpm" in report.as_text()


def test_complete_url_in_href_is_read_there(tmp_path, web, doctor):
    root = yum(tmp_path / "repo", edit=lambda text: text.replace('href="', f'href="{web.address}/pool/'))
    for path in root.glob("*.rpm"):
        path.unlink()
    assert failed(doctor(root, follow=["127.0.0.1"])) == set()


def test_xml_base_of_the_repository_itself_needs_no_second_reader(tmp_path, doctor):
    root = yum(tmp_path / "elsewhere")
    with serve_folder(root) as server:
        shutil.rmtree(root / "repodata")
        yum(root, server.address)
        report = doctor(server.address)
    assert failed(report) == set()
    orphans = next(check for check in report.report.checks if check.name == "orphans")
    assert orphans.passed


def test_metadata_at_the_xml_base_of_repomd_is_read_there(tmp_path, web, doctor):
    root = yum(tmp_path / "repo")
    shutil.copytree(root / "repodata", Path(web.root) / "repodata")
    for path in (root / "repodata").glob("*.xml.*"):
        path.unlink()
    repomd = root / "repodata/repomd.xml"
    repomd.write_text(repomd.read_text().replace("<location ", f'<location xml:base="{web.address}" '))
    report = doctor(root, follow=["127.0.0.1"])
    assert failed(report) == set(), report.as_text()
    assert sum(len(subject.packages) for subject in report.subjects) == 5
    with pytest.raises(DownloadError, match=r"An index leads to another host.*\n.*--follow 127\.0\.0\.1"):
        doctor(root)


def test_size_that_is_no_number_causes_no_error(tmp_path, doctor):
    root = yum(tmp_path / "repo")
    repomd = root / "repodata/repomd.xml"
    repomd.write_text(re.sub(r"size>[0-9]+<", "size>\u00b2<", repomd.read_text()))
    assert failed(doctor(root)) == set()


def test_packages_above_the_yum_repository_are_read(tmp_path, doctor):
    root = yum(tmp_path / "base/repo", edit=lambda text: text.replace('href="', 'href="../pool/'))
    (tmp_path / "base/pool").mkdir()
    for path in root.glob("*.rpm"):
        path.rename(tmp_path / "base/pool" / path.name)
    assert failed(doctor(tmp_path / "base")) == set()
    outside = doctor(root)
    assert failed(outside) >= {"entries"}
    assert "is outside of the examined folder" in outside.as_text()
    with serve_folder(tmp_path / "base") as server:
        assert failed(doctor(f"{server.address}/repo")) == set()


@pytest.mark.parametrize("base", ["pool/", "file:///etc"])
def test_base_that_clients_cannot_use_is_a_finding(tmp_path, doctor, base):
    root = yum(tmp_path / "repo", edit=lambda text: text.replace("<location ", f'<location xml:base="{base}" '))
    with serve_folder(root) as server:
        assert "entries" in failed(doctor(server.address))


def flat(root: Path, folder: str, prefix: str) -> Path:
    """Write a flat repository in a folder whose file names begin with a prefix."""
    five(root / folder)
    command = ["apt-ftparchive", "packages", "."]
    text = subprocess.run(command, cwd=root / folder, check=True, capture_output=True, text=True).stdout
    (root / folder / "Packages").write_text(re.sub(r"(?m)^Filename: (\./)?", f"Filename: {prefix}", text))
    release = subprocess.run(["apt-ftparchive", "release", "."], cwd=root / folder, check=True, capture_output=True)
    (root / folder / "Release").write_bytes(release.stdout)
    return root


@pytest.mark.parametrize("location", ["", "debian", "debian/k8s"])
def test_flat_repository_with_paths_from_a_folder_above_is_accepted(tmp_path, doctor, location):
    flat(tmp_path, "debian/k8s", "k8s/")
    for path in (tmp_path / "debian/k8s").glob("*.rpm"):
        path.unlink()
    report = doctor(tmp_path / location)
    assert failed(report) == set(), report.as_text()
    assert "clients need deb URL k8s/" in report.as_text()
    next(tmp_path.rglob("kubelet_*.deb")).unlink()
    assert failed(doctor(tmp_path / location)) == {"files"}


def test_flat_repository_with_paths_of_its_own_folder_is_accepted(tmp_path, doctor):
    report = doctor(flat(tmp_path, "k8s", "./"))
    assert failed(report) == set()
    assert "clients need" not in report.as_text()


def test_release_with_only_a_codename_is_accepted(damaged, doctor):
    edit_release(damaged, lambda text: re.sub(r"(?m)^(Suite|Architectures|Components): .*\n", "", text))
    assert "Codename: stable" in (damaged / "apt/dists/stable/InRelease").read_text()
    report = doctor(damaged, suites=["stable"])
    assert failed(report) == set(), report.as_text()
    assert "no Components in the Release" in report.as_text()


def test_acquire_by_hash_in_other_words_is_understood(damaged, doctor):
    edit_release(damaged, lambda text: text.replace("Acquire-By-Hash: yes", "Acquire-By-Hash: true"))
    report = doctor(damaged, suites=["stable"])
    assert "by-hash" in {check.name for check in report.report.checks if check.passed and check.subject == "apt stable"}
    assert "no Acquire-By-Hash" not in report.as_text()
