"""Publishing and its opposite: what clients find afterwards."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from kubeparcel import __version__
from kubeparcel.console import QuietLog
from kubeparcel.errors import Busy, ConfigurationError, DiskError, UsageError
from kubeparcel.model import Format
from kubeparcel.packages.errors import BrokenPackage
from kubeparcel.repository import publisher, state_file
from kubeparcel.repository.model import Package, RepositoryOptions, State
from kubeparcel.repository.policy import PolicyViolation
from kubeparcel.repository.publisher import Target
from kubeparcel.repository.signing import keys
from kubeparcel.repository.storage.folder import FolderStorage
from tests.support import client_view
from tests.support.package_builders import deb, five, rpm
from tests.support.repository_fixtures import Publish


def test_a_first_publish_makes_suites_that_hold_together(publish: Publish, repo: Path) -> None:
    publish()
    found = client_view.read_repository(repo)
    assert set(found) == {"apt stable", "apt v1.36", "yum stable", "yum v1.36"}
    assert sorted(found["apt v1.36"]) == [
        "cri-tools_1.36.0-1_amd64.deb",
        "kubeadm_1.36.3-1_amd64.deb",
        "kubectl_1.36.3-1_amd64.deb",
        "kubelet_1.36.3-1_amd64.deb",
        "kubernetes-cni_1.9.1-1_amd64.deb",
    ]
    assert "kubelet-1.36.3-1.x86_64.rpm" in found["yum stable"]


def test_rpms_are_signed_so_that_rpm_accepts_them(
    publish: Publish, repo: Path, tmp_path: Path
) -> None:
    publish()
    base = ["rpm", "--dbpath", str(tmp_path / "rpmdb")]
    subprocess.run([*base, "--import", repo / "key.asc"], check=True)
    files = sorted((repo / "yum/stable/packages").glob("*.rpm"))
    said = subprocess.run([*base, "-Kv", *files], capture_output=True, text=True, check=True).stdout
    assert said.count("Header V4 RSA/SHA512 Signature") == len(files) == 5
    assert "NOT OK" not in said


def test_a_second_publish_writes_and_signs_nothing(publish: Publish, repo: Path) -> None:
    publish()
    before = {path: path.stat().st_mtime_ns for path in repo.rglob("*") if path.name != "lock"}
    again = publish()
    after = {path: path.stat().st_mtime_ns for path in repo.rglob("*") if path.name != "lock"}
    assert before == after
    assert "Nothing to do" in again.as_text()


def test_each_minor_has_its_suite_and_stable_has_all(
    publish: Publish, repo: Path, tmp_path: Path
) -> None:
    publish()
    publish(five(tmp_path / "older", "1.35.7"))
    found = client_view.read_repository(repo)
    assert "kubelet_1.35.7-1_amd64.deb" in found["apt v1.35"]
    assert "kubelet_1.35.7-1_amd64.deb" not in found["apt v1.36"]
    assert {"kubelet_1.35.7-1_amd64.deb", "kubelet_1.36.3-1_amd64.deb"} <= set(found["apt stable"])
    assert "cri-tools_1.36.0-1_amd64.deb" not in found["apt v1.35"]


def test_pre_releases_stay_among_themselves(publish: Publish, repo: Path, tmp_path: Path) -> None:
    publish()
    publish(five(tmp_path / "early", "1.37.0-rc.1"))
    found = client_view.read_repository(repo)
    assert "kubelet_1.37.0~rc.1-1_amd64.deb" in found["apt prerelease"]
    assert not any("rc" in name for name in found["apt stable"])


def test_old_indexes_stay_by_hash_for_clients_that_are_behind(
    publish: Publish, repo: Path, tmp_path: Path
) -> None:
    publish(options={"generations": 2})
    folder = repo / "apt/dists/stable/main/binary-amd64/by-hash/SHA256"
    metadata = repo / "yum/stable/repodata"
    first = {path.name for path in folder.iterdir()}
    old = {path.name for path in metadata.glob("*.zst")}
    publish(five(tmp_path / "b", "1.36.4"))
    assert first < {path.name for path in folder.iterdir()}
    assert old < {path.name for path in metadata.glob("*.zst")}
    publish(five(tmp_path / "c", "1.36.5"))
    assert not (first - {"index.html"}) & {path.name for path in folder.iterdir()}
    client_view.read_repository(repo)


def test_a_suite_without_what_its_packages_need_is_refused(
    publish: Publish, dist: Path, repo: Path
) -> None:
    (dist / "kubernetes-cni_1.9.1-1_amd64.deb").unlink()
    (dist / "cri-tools-1.36.0-1.x86_64.rpm").unlink()
    with pytest.raises(PolicyViolation) as refused:
        publish()
    assert "kubelet 1.36.3-1 amd64 (deb) needs kubernetes-cni (>= 1.2.0)" in str(refused.value)
    assert "cri-tools for x86_64 (rpm) is missing" in str(refused.value)
    assert not (repo / "apt").exists()


def test_another_architecture_has_to_be_whole_too(publish: Publish, dist: Path, repo: Path) -> None:
    publish()
    before = client_view.read_files(repo)
    deb(dist, "kubelet", "1.36.3-1", "arm64", "kubernetes-cni (>= 1.2.0)")
    with pytest.raises(PolicyViolation, match="kubernetes-cni for arm64") as refused:
        publish()
    assert "kubelet 1.36.3-1 arm64" in str(refused.value)
    assert client_view.read_files(repo) == before


def test_other_bytes_of_a_published_version_are_refused(
    publish: Publish, dist: Path, repo: Path, tmp_path: Path
) -> None:
    publish()
    before = client_view.read_files(repo)
    for make in (deb, rpm):
        other = tmp_path / f"other-{make.__name__}"
        other.mkdir()
        make(other, "kubectl", "1.36.3-1", body=b"other")
        with pytest.raises(PolicyViolation, match="different content"):
            publish(other)
    assert client_view.read_files(repo) == before


def test_two_different_files_of_one_package_are_refused(publish: Publish, dist: Path) -> None:
    (dist / "again").mkdir()
    deb(dist / "again", "kubectl", "1.36.3-1", body=b"other")
    with pytest.raises(PolicyViolation, match="Two different files of kubectl"):
        publish()


@pytest.mark.parametrize("cut", [0.0, 0.02, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("name", ["kubelet_1.36.3-1_amd64.deb", "kubelet-1.36.3-1.x86_64.rpm"])
def test_a_truncated_package_is_refused(
    publish: Publish, dist: Path, repo: Path, name: str, cut: float
) -> None:
    data = (dist / name).read_bytes()
    (dist / name).write_bytes(data[: int(cut * len(data))])
    with pytest.raises(BrokenPackage, match=name):
        publish()
    assert not (repo / "apt").exists()


def test_what_is_no_package_is_refused(publish: Publish, dist: Path) -> None:
    (dist / "x.deb").write_bytes(b"<html>404</html>")
    with pytest.raises(BrokenPackage, match=r"x\.deb: it is not a deb"):
        publish()


def test_an_unknown_architecture_is_refused(publish: Publish, dist: Path) -> None:
    deb(dist, "x", arch="pdp11")
    with pytest.raises(BrokenPackage, match="pdp11"):
        publish()


def test_of_an_rpm_that_is_there_signed_and_unsigned_one_is_published(
    publish: Publish, dist: Path, repo: Path, tmp_path: Path
) -> None:
    publish()
    shutil.copytree(repo / "yum/stable/packages", dist / "signed")
    again = tmp_path / "again"
    publisher.publish(dist, Target(str(again)), QuietLog(), skip_layout_check=True)
    assert client_view.read_yum_suite(again, "stable") == client_view.read_yum_suite(repo, "stable")


def test_a_repository_inside_the_folder_of_packages_is_not_published_again(
    publish: Publish, dist: Path, repo: Path, tmp_path: Path
) -> None:
    publisher.publish(dist, Target(str(dist / "repo")), QuietLog(), skip_layout_check=True)
    publisher.remove(["=1.36.3-1"], Target(str(dist / "repo")), QuietLog())
    five(dist, "1.36.4")
    for path in dist.glob("*1.36.3*"):
        path.unlink()
    publish()
    assert not [name for name in client_view.read_apt_suite(repo, "stable") if "1.36.3" in name]


def test_a_folder_without_packages_is_an_error(publish: Publish, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"No \.deb or \.rpm files"):
        publish(tmp_path / "empty")
    with pytest.raises(UsageError, match="does not exist"):
        publish(tmp_path / "nowhere")


def test_a_dry_run_shows_the_difference_and_needs_no_key(
    dist: Path, repo: Path, configuration: Path
) -> None:
    found = publisher.publish(
        dist, Target(str(repo), dry_run=True), QuietLog(), skip_layout_check=True
    )
    assert json.loads(found.as_json())["suites"]["stable"]["added"]
    assert not repo.exists()
    assert not configuration.exists()


def test_removing_keeps_the_files_for_clients_that_are_behind(
    publish: Publish, repo: Path, tmp_path: Path
) -> None:
    publish(options={"generations": 2})
    publish(five(tmp_path / "b", "1.36.4"))
    target = Target(str(repo))
    publisher.remove(["=1.36.3-1"], target, QuietLog())
    pool = repo / "apt/pool/main/k/kubelet"
    assert (pool / "kubelet_1.36.3-1_amd64.deb").exists()
    assert "kubelet_1.36.3-1_amd64.deb" not in client_view.read_repository(repo)["apt stable"]
    publish(five(tmp_path / "c", "1.36.5"))
    publish(five(tmp_path / "d", "1.36.6"))
    assert not (pool / "kubelet_1.36.3-1_amd64.deb").exists()
    client_view.read_repository(repo)


def test_removing_what_others_need_is_refused(publish: Publish, repo: Path) -> None:
    publish()
    before = client_view.read_files(repo)
    with pytest.raises(PolicyViolation, match="needs kubernetes-cni"):
        publisher.remove(["kubernetes-cni"], Target(str(repo)), QuietLog())
    with pytest.raises(UsageError, match="No package in the repository matches"):
        publisher.remove(["nobody"], Target(str(repo)), QuietLog())
    assert client_view.read_files(repo) == before


def test_removing_all_of_a_suite_removes_the_suite(publish: Publish, repo: Path) -> None:
    publish()
    publisher.remove(["*"], Target(str(repo)), QuietLog(), suite="v1.36")
    assert set(client_view.read_repository(repo)) == {"apt stable", "yum stable"}
    assert not (repo / "v1.36.repo").exists()


def test_retain_keeps_the_newest_of_each_minor(
    publish: Publish, repo: Path, tmp_path: Path
) -> None:
    for version in ("1.35.9", "1.35.10", "1.36.3"):
        publish(five(tmp_path / version, version))
    publisher.retain(1, Target(str(repo)), QuietLog())
    names = set(client_view.read_repository(repo)["apt stable"])
    assert {"kubelet_1.35.10-1_amd64.deb", "kubelet_1.36.3-1_amd64.deb"} <= names
    assert "kubelet_1.35.9-1_amd64.deb" not in names


def test_rollback_publishes_what_was_there_before(
    publish: Publish, repo: Path, tmp_path: Path
) -> None:
    publish()
    first = client_view.read_repository(repo)
    publish(five(tmp_path / "b", "1.36.4"))
    assert client_view.read_repository(repo) != first
    publisher.rollback(Target(str(repo)), QuietLog())
    assert client_view.read_repository(repo) == first
    publisher.rollback(Target(str(repo)), QuietLog(), generation=2)
    assert "kubelet_1.36.4-1_amd64.deb" in client_view.read_repository(repo)["apt stable"]


def test_copy_promotes_from_one_suite_to_another(publish: Publish, repo: Path) -> None:
    publish(suite="testing")
    publisher.copy("testing", "blessed", Target(str(repo)), QuietLog())
    found = client_view.read_repository(repo)
    assert found["apt blessed"] == found["apt testing"]
    assert found["yum blessed"] == found["yum testing"]


def test_a_lost_state_is_made_anew_from_what_is_published(
    publish: Publish, repo: Path, tmp_path: Path
) -> None:
    publish()
    before = client_view.read_repository(repo)
    shutil.rmtree(repo / ".kubeparcel")
    shutil.rmtree(tmp_path / "cache")
    publish(five(tmp_path / "b", "1.36.4"))
    after = client_view.read_repository(repo)
    assert all(before[suite].items() <= after[suite].items() for suite in before)
    assert "kubelet_1.36.4-1_amd64.deb" in after["apt stable"]


def test_after_a_lost_state_no_file_is_left_over_for_ever(
    publish: Publish, repo: Path, tmp_path: Path
) -> None:
    publish(options={"generations": 2})
    publish(five(tmp_path / "b", "1.36.4"))
    publisher.remove(["=1.36.3-1"], Target(str(repo)), QuietLog())
    shutil.rmtree(repo / ".kubeparcel")
    old = [path for path in repo.rglob("kube*1.36.3*") if path.is_file()]
    assert len(old) == 9
    other = tmp_path / "other"
    other.mkdir()
    deb(other, "kubectl", "1.36.3-1", body=b"other")
    with pytest.raises(PolicyViolation, match="different content"):
        publish(other)
    for number in (5, 6, 7):
        publish(five(tmp_path / str(number), f"1.36.{number}"), options={"generations": 2})
    assert not [path for path in old if path.exists()]
    client_view.read_repository(repo)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"format": 1}'])
def test_a_damaged_state_is_made_anew(publish: Publish, repo: Path, damage: bytes) -> None:
    publish()
    (repo / state_file.STATE_PATH).write_bytes(damage)
    before = client_view.read_repository(repo)
    publish()
    assert client_view.read_repository(repo) == before


def test_state_file_of_an_earlier_version_is_read() -> None:
    """Published repositories have these keys, one line for each package."""
    package = ["deb", "own", "1-1", "amd64", "f" * 64, 3, "e" * 64, "", "pool/own.deb"]
    document = {
        "format": 1,
        "tool": "0.1.0",
        "generation": 4,
        "identity": "me",
        "renew": 7,
        "signers": ["X:1"],
        "terms": {
            "origin": "here",
            "valid": 10,
            "metadata": "gzip",
            "generations": 2,
            "address": "https://here.example.invalid",
            "sign_rpms": False,
        },
        "kept": {"apt/dists/stable": [["main/binary-amd64/by-hash/SHA256/x"]]},
        "gone": {"apt/pool/own.deb": [3, package]},
        "suites": {"stable": [0]},
        "packages": [package],
    }
    text = json.dumps(document).replace('"packages": [', '"packages":[\n')
    state = state_file.parse(text.encode(), "repo")
    own = Package(Format.DEB, *package[1:])  # type: ignore[arg-type]
    assert state == State(
        4,
        "me",
        {"stable": frozenset({own})},
        {"apt/dists/stable": (("main/binary-amd64/by-hash/SHA256/x",),)},
        {"apt/pool/own.deb": (3, own)},
        renew_at=7,
        signing_keys=("X:1",),
        options=RepositoryOptions(
            "here", 10, "gzip", 2, "https://here.example.invalid", sign_rpms=False
        ),
    )
    assert json.loads(state_file.dump(state)) == {**document, "tool": __version__}


@pytest.mark.parametrize("ahead", [0, 5])
def test_what_clients_begin_with_is_of_a_later_second_each_time(
    publish: Publish, repo: Path, tmp_path: Path, ahead: int
) -> None:
    publish()
    entries = [repo / "apt/dists/stable/InRelease", repo / "yum/stable/repodata/repomd.xml"]
    last = int(time.time()) + ahead
    for entry in entries:
        os.utime(entry, (last + 0.9, last + 0.9))
    publish(five(tmp_path / "newer", "1.36.4"))
    for entry in entries:
        assert int(entry.stat().st_mtime) > last


def test_the_binary_key_is_the_armoured_one(publish: Publish, repo: Path) -> None:
    publish()
    bare = subprocess.run(
        ["gpg", "--batch", "--dearmor", "--output", "-", repo / "key.asc"],
        capture_output=True,
        check=True,
    )
    assert (repo / "key.gpg").read_bytes() == bare.stdout


def test_a_state_from_a_newer_version_is_refused(publish: Publish, repo: Path) -> None:
    publish()
    path = repo / state_file.STATE_PATH
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    before = client_view.read_files(repo)
    with pytest.raises(ConfigurationError, match="which is newer than this version"):
        publish()
    assert client_view.read_files(repo) == before


def test_a_lost_cache_changes_nothing(publish: Publish, repo: Path, tmp_path: Path) -> None:
    publish()
    before = client_view.read_files(repo)
    shutil.rmtree(tmp_path / "cache")
    assert "Nothing to do" in publish().as_text()
    assert client_view.read_files(repo) == before
    shutil.rmtree(tmp_path / "cache")
    publish(five(tmp_path / "b", "1.36.4"))
    client_view.read_repository(repo)


def test_a_publisher_that_comes_second_is_told_who_is_first(publish: Publish, repo: Path) -> None:
    publish()
    with (
        FolderStorage(repo).lease(0),
        pytest.raises(Busy, match=r"process \d+ on .* since"),
    ):
        publish(wait=0.2)


def test_indexes_are_signed_anew_before_they_expire(
    publish: Publish, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(options={"valid_days": 10})
    release = (repo / "apt/dists/stable/Release").read_text()
    assert "Valid-Until:" in release
    now = time.time() + 6 * 86_400
    monkeypatch.setattr(time, "time", lambda: now)
    assert publish(options={"valid_days": 10}).signatures_renewed
    assert (repo / "apt/dists/stable/Release").read_text() != release
    client_view.read_repository(repo)


@pytest.mark.parametrize("suite", ["../x", "a/b", ".", "-x", "a\nb", ""])
def test_a_suite_cannot_leave_the_repository(publish: Publish, repo: Path, suite: str) -> None:
    if suite:
        with pytest.raises(ConfigurationError):
            publish(suite=suite)
    assert not repo.exists() or not (repo / "apt").exists()


def test_gzip_metadata_for_old_clients(publish: Publish, repo: Path) -> None:
    publish(options={"metadata_compression": "gzip"})
    assert list((repo / "yum/stable/repodata").glob("*primary.xml.gz"))
    client_view.read_repository(repo)


def test_a_repository_that_may_not_be_written_is_an_error(publish: Publish, repo: Path) -> None:
    repo.write_text("a file")
    with pytest.raises(Exception, match="repo"):
        publish()


@pytest.mark.acceptance
def test_a_full_disk_leaves_the_old_repository(
    key: Path, dist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid():
        pytest.skip("needs root, to mount a small file system")
    monkeypatch.setenv("KUBEPARCEL_CACHE", str(tmp_path / "cache"))
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", disk], check=True)
    try:
        target = Target(str(disk / "repo"))
        publisher.publish(dist, target, QuietLog(), skip_layout_check=True)
        before = client_view.read_repository(disk / "repo")
        for number in range(4, 60):
            newer = five(tmp_path / str(number), f"1.36.{number}")
            if not fits(newer, target):
                break
            before = client_view.read_repository(disk / "repo")
        assert client_view.read_repository(disk / "repo") == before
        with pytest.raises(DiskError, match="space"):
            publisher.publish(newer, target, QuietLog(), skip_layout_check=True)
        assert client_view.read_repository(disk / "repo") == before
        subprocess.run(["mount", "-o", "remount,size=4m", disk], check=True)
        assert fits(newer, target)
        assert client_view.read_repository(disk / "repo") != before
    finally:
        subprocess.run(["umount", disk], check=True)


def fits(source: Path, target: Target) -> bool:
    """Whether the disk has room for a publish."""
    try:
        publisher.publish(source, target, QuietLog(), skip_layout_check=True)
    except DiskError:
        return False
    return True


@pytest.mark.acceptance
def test_who_may_not_write_is_told_and_changes_nothing(
    key: Path, dist: Path, repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root by an immutable folder, which root may not change either; else by its mode."""
    monkeypatch.setenv("KUBEPARCEL_CACHE", str(tmp_path / "cache"))
    publisher.publish(dist, Target(str(repo)), QuietLog(), skip_layout_check=True)
    before = client_view.read_files(repo)
    newer = five(tmp_path / "newer", "1.36.4")
    pool = repo / "apt/pool/main/k/kubelet"
    root = os.geteuid() == 0
    subprocess.run(["chattr", "+i", pool] if root else ["chmod", "a-w", pool], check=True)
    try:
        with pytest.raises(DiskError, match=r"not permitted|Permission denied"):
            publisher.publish(newer, Target(str(repo)), QuietLog(), skip_layout_check=True)
        left = client_view.read_files(repo)
        assert {path: left[path] for path in before} == before
    finally:
        subprocess.run(["chattr", "-i", pool] if root else ["chmod", "u+w", pool], check=True)
    publisher.publish(newer, Target(str(repo)), QuietLog(), skip_layout_check=True)
    assert "kubelet_1.36.4-1_amd64.deb" in client_view.read_repository(repo)["apt stable"]


def test_what_packages_and_people_say_is_escaped_on_the_page(
    publish: Publish, dist: Path, repo: Path
) -> None:
    nasty = "<script>alert(1)</script>&\"'"
    deb(dist, "own", "1.0-1", fields=f"Homepage: {nasty}\nX-{nasty}: x\n")
    rpm(dist, "own", "1.0-1", summary=nasty)
    keys.create("nasty", f"{nasty} <nasty@example.invalid>")
    publish(key="nasty", options={"base_url": f"https://x.example.invalid/{nasty}"})
    for path in repo.rglob("*.html"):
        assert "<script>alert" not in path.read_text(), path
    assert "&lt;script&gt;alert(1)" in (repo / "index.html").read_text()
    client_view.read_repository(repo)


@pytest.mark.parametrize("name", ["../../etc/x", "a/b", "a b", ".x", "", "<b>", "a\x00b"])
def test_a_package_cannot_name_itself_out_of_the_repository(
    publish: Publish, dist: Path, repo: Path, name: str
) -> None:
    deb(dist, "x", fields=f"Package: {name}\n")  # of two fields of a name the last one counts
    with pytest.raises(BrokenPackage, match="its Package field"):
        publish()
    assert not (repo / "apt").exists()
