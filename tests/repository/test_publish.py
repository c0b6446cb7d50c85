"""Publishing packages: what clients find afterwards."""

import json
import os
import shutil
import subprocess
import time
from contextlib import suppress

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.errors import Busy, DiskError, UsageError
from kubeparcel.repository import publisher
from kubeparcel.repository.open_repository import Target
from kubeparcel.repository.signing import keys
from kubeparcel.repository.storage.folder import FolderStorage
from tests.support import client_view
from tests.support.package_builders import deb, five, rpm
from tests.support.repository_fixtures import publish_folder


def test_first_publish_creates_consistent_suites(publish, repo):
    publish()
    suites = client_view.read_repository(repo)
    assert set(suites) == {"apt stable", "apt v1.36", "yum stable", "yum v1.36"}
    assert sorted(suites["apt v1.36"]) == [
        "cri-tools_1.36.0-1_amd64.deb",
        "kubeadm_1.36.3-1_amd64.deb",
        "kubectl_1.36.3-1_amd64.deb",
        "kubelet_1.36.3-1_amd64.deb",
        "kubernetes-cni_1.9.1-1_amd64.deb",
    ]
    assert "kubelet-1.36.3-1.x86_64.rpm" in suites["yum stable"]


def test_published_rpms_pass_rpm_checksig(publish, repo, tmp_path):
    publish()
    base = ["rpm", "--dbpath", str(tmp_path / "rpmdb")]
    subprocess.run([*base, "--import", repo / "key.asc"], check=True)
    files = sorted((repo / "yum/stable/packages").glob("*.rpm"))
    output = subprocess.run([*base, "-Kv", *files], capture_output=True, text=True, check=True).stdout
    assert output.count("Header V4 RSA/SHA512 Signature") == len(files) == 5
    assert "NOT OK" not in output


def test_publish_without_changes_writes_nothing(publish, repo):
    publish()
    before = {path: path.stat().st_mtime_ns for path in repo.rglob("*") if path.name != "lock"}
    result = publish()
    after = {path: path.stat().st_mtime_ns for path in repo.rglob("*") if path.name != "lock"}
    assert before == after
    assert "Nothing to do" in result.as_text()


def test_publish_adds_each_minor_to_its_suite_and_to_stable(publish, repo, tmp_path):
    publish()
    publish(five(tmp_path / "older", "1.35.7"))
    suites = client_view.read_repository(repo)
    assert "kubelet_1.35.7-1_amd64.deb" in suites["apt v1.35"]
    assert "kubelet_1.35.7-1_amd64.deb" not in suites["apt v1.36"]
    assert {"kubelet_1.35.7-1_amd64.deb", "kubelet_1.36.3-1_amd64.deb"} <= set(suites["apt stable"])
    assert "cri-tools_1.36.0-1_amd64.deb" not in suites["apt v1.35"]


def test_publish_adds_prereleases_to_the_prerelease_suite_only(publish, repo, tmp_path):
    publish()
    publish(five(tmp_path / "early", "1.37.0-rc.1"))
    suites = client_view.read_repository(repo)
    assert "kubelet_1.37.0~rc.1-1_amd64.deb" in suites["apt prerelease"]
    assert not any("rc" in name for name in suites["apt stable"])


def test_old_indexes_stay_by_hash_for_the_retained_generations(publish, repo, newer, tmp_path):
    publish(options={"generations": 2})
    folder = repo / "apt/dists/stable/main/binary-amd64/by-hash/SHA256"
    metadata = repo / "yum/stable/repodata"
    first = {path.name for path in folder.iterdir()}
    old = {path.name for path in metadata.glob("*.zst")}
    publish(newer)
    assert first < {path.name for path in folder.iterdir()}
    assert old < {path.name for path in metadata.glob("*.zst")}
    publish(five(tmp_path / "newest", "1.36.5"))
    assert not (first - {"index.html"}) & {path.name for path in folder.iterdir()}
    client_view.read_repository(repo)


def test_publish_prefers_the_signed_copy_of_an_rpm(publish, dist, repo, tmp_path):
    publish()
    shutil.copytree(repo / "yum/stable/packages", dist / "signed")
    again = tmp_path / "again"
    publish_folder(dist, again)
    assert client_view.read_yum_suite(again, "stable") == client_view.read_yum_suite(repo, "stable")


def test_publish_skips_a_repository_inside_the_folder(publish, dist, repo, tmp_path):
    publish_folder(dist, dist / "repo")
    publisher.remove(["=1.36.3-1"], Target(str(dist / "repo")), QuietLog())
    five(dist, "1.36.4")
    for path in dist.glob("*1.36.3*"):
        path.unlink()
    publish()
    assert not [name for name in client_view.read_apt_suite(repo, "stable") if "1.36.3" in name]


def test_publish_of_a_folder_without_packages_fails(publish, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"No \.deb or \.rpm files"):
        publish(tmp_path / "empty")
    with pytest.raises(UsageError, match="does not exist"):
        publish(tmp_path / "nowhere")


def test_dry_run_lists_the_changes_and_needs_no_key(dist, repo, configuration):
    result = publish_folder(dist, repo, dry_run=True)
    assert json.loads(result.as_json())["suites"]["stable"]["added"]
    assert not repo.exists()
    assert not (configuration / "keys").exists()


@pytest.mark.parametrize("ahead", [0, 5])
def test_entry_files_get_a_later_mtime_with_each_publish(publish, repo, newer, ahead):
    publish()
    entries = [repo / "apt/dists/stable/InRelease", repo / "yum/stable/repodata/repomd.xml"]
    last = int(time.time()) + ahead
    for entry in entries:
        os.utime(entry, (last + 0.9, last + 0.9))
    publish(newer)
    for entry in entries:
        assert int(entry.stat().st_mtime) > last


def test_binary_key_equals_the_armored_key(publish, repo):
    publish()
    bare = subprocess.run(
        ["gpg", "--batch", "--dearmor", "--output", "-", repo / "key.asc"], capture_output=True, check=True
    )
    assert (repo / "key.gpg").read_bytes() == bare.stdout


def test_second_publisher_gets_an_error_that_names_the_holder_of_the_lock(publish, repo):
    publish()
    with FolderStorage(repo).lease(0), pytest.raises(Busy, match=r"process \d+ on .* since"):
        publish(wait=0.2)


def test_indexes_are_signed_again_before_they_expire(publish, repo, monkeypatch):
    publish(options={"valid_days": 10})
    release = (repo / "apt/dists/stable/Release").read_text()
    assert "Valid-Until:" in release
    now = time.time() + 6 * 86_400
    monkeypatch.setattr(time, "time", lambda: now)
    assert publish(options={"valid_days": 10}).signatures_renewed
    assert (repo / "apt/dists/stable/Release").read_text() != release
    client_view.read_repository(repo)


def test_gzip_metadata_is_available_for_old_clients(publish, repo):
    publish(options={"metadata_compression": "gzip"})
    assert list((repo / "yum/stable/repodata").glob("*primary.xml.gz"))
    client_view.read_repository(repo)


def test_publish_to_a_file_fails(publish, repo):
    repo.write_text("a file")
    with pytest.raises(DiskError, match=r"repo.*: Not a directory"):
        publish()


@pytest.mark.acceptance
def test_full_disk_leaves_the_published_repository_intact(key, dist, tmp_path, monkeypatch):
    if os.geteuid():
        pytest.skip("needs root, to mount a small file system")
    monkeypatch.setenv("KUBEPARCEL_CACHE", str(tmp_path / "cache"))
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", disk], check=True)
    try:
        repo = disk / "repo"
        publish_folder(dist, repo)
        before = client_view.read_repository(repo)
        with suppress(DiskError):
            for number in range(4, 60):
                newer = five(tmp_path / str(number), f"1.36.{number}")
                publish_folder(newer, repo)
                before = client_view.read_repository(repo)
        assert client_view.read_repository(repo) == before
        with pytest.raises(DiskError, match="space"):
            publish_folder(newer, repo)
        assert client_view.read_repository(repo) == before
        subprocess.run(["mount", "-o", "remount,size=4m", disk], check=True)
        publish_folder(newer, repo)
        assert client_view.read_repository(repo) != before
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.acceptance
def test_publish_without_write_permission_changes_nothing(key, dist, newer, repo, tmp_path, monkeypatch):
    """As root by an immutable folder, which root may not change either; else by its mode."""
    monkeypatch.setenv("KUBEPARCEL_CACHE", str(tmp_path / "cache"))
    publish_folder(dist, repo)
    before = client_view.read_files(repo)
    pool = repo / "apt/pool/main/k/kubelet"
    root = os.geteuid() == 0
    subprocess.run(["chattr", "+i", pool] if root else ["chmod", "a-w", pool], check=True)
    try:
        with pytest.raises(DiskError, match=r"not permitted|Permission denied"):
            publish_folder(newer, repo)
        left = client_view.read_files(repo)
        assert {path: left[path] for path in before} == before
    finally:
        subprocess.run(["chattr", "-i", pool] if root else ["chmod", "u+w", pool], check=True)
    publish_folder(newer, repo)
    assert "kubelet_1.36.4-1_amd64.deb" in client_view.read_repository(repo)["apt stable"]


def test_pages_escape_package_fields_and_user_ids(publish, dist, repo):
    markup = "<script>alert(1)</script>&\"'"
    deb(dist, "own", "1.0-1", fields=f"Homepage: {markup}\nX-{markup}: x\n")
    rpm(dist, "own", "1.0-1", summary=markup)
    keys.create("markup", f"{markup} <markup@example.invalid>")
    publish(key="markup", options={"base_url": f"https://x.example.invalid/{markup}"})
    for path in repo.rglob("*.html"):
        assert "<script>alert" not in path.read_text(), path
    assert "&lt;script&gt;alert(1)" in (repo / "index.html").read_text()
    client_view.read_repository(repo)
