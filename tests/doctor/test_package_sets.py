"""The packages of a file, a folder or a repository, listed and fetched by one function."""

from __future__ import annotations

import gzip
import hashlib
import shutil
from pathlib import Path

import pytest

from kubeparcel.console import PlainLog, QuietLog
from kubeparcel.doctor.package_sets import PackageQuery, PackageSet, open_packages
from kubeparcel.errors import CheckFailed, UsageError
from kubeparcel.paths import cache_dir
from kubeparcel.repository.signing import gpg
from tests.doctor.conftest import edit_release
from tests.support.package_builders import deb, five
from tests.support.repository_fixtures import publish_folder
from tests.support.web_server import serve_folder

ALL = [
    (format_, name)
    for format_ in ("deb", "rpm")
    for name in ("cri-tools", "kubeadm", "kubectl", "kubelet", "kubernetes-cni")
]


def names(packages: PackageSet) -> list[tuple[str, str]]:
    return [(str(package.format), package.name) for package in packages.packages]


def versions(location: object, **query: object) -> list[tuple[str, str, str]]:
    with open_packages(str(location), PackageQuery(**query), QuietLog()) as packages:
        return [(package.name, package.version, package.arch) for package in packages.packages]


def read_all(location: object, log: object = None, **query: object) -> list[tuple[str, bytes]]:
    """Return each package's name and the content of its file in /usr/share."""
    with open_packages(str(location), PackageQuery(**query), log or QuietLog()) as packages:
        contents = packages.contents(packages.packages)
        return [(package.name, package.entries[-1].data or b"") for package in contents]


def test_folder_file_and_repository_have_the_same_packages(published, tmp_path):
    folder = five(tmp_path / "packages")
    with serve_folder(published) as server:
        for location in (folder, published, f"file://{published}", server.address):
            with open_packages(str(location), PackageQuery(), QuietLog()) as packages:
                assert names(packages) == ALL
                assert [c.name for c in packages.contents(packages.packages)] == [name for _, name in ALL]
                assert [
                    hashlib.sha256(file.read_bytes()).hexdigest() for file in packages.files(packages.packages)
                ] == [package.sha256 for package in packages.packages]
    with open_packages(str(folder / "kubelet_1.36.3-1_amd64.deb"), PackageQuery(), QuietLog()) as packages:
        assert names(packages) == [("deb", "kubelet")]


def test_each_file_is_fetched_once(published):
    with serve_folder(published) as server, open_packages(server.address, PackageQuery(), QuietLog()) as packages:
        packages.contents(packages.packages)
        packages.files(packages.packages)
        requested = [path for path in server.requested_paths if path.endswith((".deb", ".rpm"))]
    assert len(requested) == len(set(requested)) == 10


def test_bucket_has_the_same_packages(bucket, dist, key):
    publish_folder(dist, bucket)
    with open_packages(bucket, PackageQuery(), QuietLog()) as packages:
        assert names(packages) == ALL
        assert len(packages.contents(packages.packages)) == 10


def test_repository_of_one_suite_can_be_named_by_its_url(published):
    assert len(versions(published / "apt/dists/stable")) == 5
    assert len(versions(published, suites=("v1.36",))) == 10
    with pytest.raises(UsageError, match=r"No repository at .* with suite v9"):
        versions(published, suites=("v9",))


def test_newest_version_of_each_package_unless_all_are_requested(tmp_path):
    for version in ("1.9-1", "1.10-1", "1.10~rc.1-1"):
        deb(tmp_path, "tools", version)
    deb(tmp_path, "tools", "1.9-1", "arm64")
    assert versions(tmp_path) == [("tools", "1.10-1", "amd64"), ("tools", "1.9-1", "arm64")]
    assert len(versions(tmp_path, all_versions=True)) == 4
    assert versions(tmp_path, arches=("x86_64",)) == [("tools", "1.10-1", "amd64")]
    assert versions(tmp_path, selectors=("tools=1.9-1",), arches=("amd64",)) == [("tools", "1.9-1", "amd64")]


def test_folder_with_packages_and_a_repository_in_it_has_only_the_packages(published, tmp_path):
    deb(tmp_path, "loose")
    shutil.copytree(published, tmp_path / "repository")
    assert versions(tmp_path) == [("loose", "1.0-1", "amd64")]


def test_contents_are_read_once_for_each_digest(tmp_path, monkeypatch):
    deb(tmp_path, "tools", body=b"one\n")
    assert read_all(tmp_path) == [("tools", b"one\n")]
    monkeypatch.setattr("kubeparcel.packages.reader.read_package", lambda *_: pytest.fail("read again"))
    shutil.copy(tmp_path / "tools_1.0-1_amd64.deb", tmp_path / "copy.deb")
    (tmp_path / "tools_1.0-1_amd64.deb").unlink()
    assert read_all(tmp_path) == [("tools", b"one\n")]


def test_damaged_cache_is_read_again(tmp_path, isolated_environment):
    deb(tmp_path, "tools", body=b"one\n")
    read_all(tmp_path)
    (record,) = (cache_dir() / "memory/contents").iterdir()
    for damage in (b"", b"[]", b'"[{}]"', b'"{"'):
        record.write_bytes(damage)
        assert read_all(tmp_path) == [("tools", b"one\n")]


def test_two_files_of_one_version_are_refused(tmp_path):
    for folder in ("a", "b"):
        deb(tmp_path / folder, "tools", body=folder.encode())
    with pytest.raises(UsageError, match=r"Two different files of tools 1\.0-1 amd64 \(deb\): .*a/tools.*b/tools"):
        versions(tmp_path)


@pytest.mark.parametrize("name", ["missing", "empty", "text.txt"])
def test_location_without_packages_is_an_error(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("x")
    with pytest.raises(UsageError, match=name) as raised:
        versions(tmp_path / name)
    assert raised.value.hint


def test_architecture_without_packages_is_an_error(published):
    with pytest.raises(UsageError, match=r"no packages for s390x"):
        versions(published, arches=("s390x",))


APT_INDEX = "apt/dists/stable/main/binary-amd64/Packages"


def test_changed_release_is_refused(damaged):
    edit_release(damaged, lambda text: text.replace("Origin: kubeparcel", "Origin: other"))
    with pytest.raises(CheckFailed, match=r"apt stable: expected a valid signature.*file was changed after it was"):
        versions(damaged)


def test_index_that_the_release_does_not_list_is_refused(damaged):
    path = damaged / APT_INDEX
    data = path.read_bytes().replace(b"Package: kubelet", b"Package: kubelte")
    for suffix, text in {"": data, ".gz": gzip.compress(data)}.items():
        if Path(f"{path}{suffix}").exists():
            Path(f"{path}{suffix}").write_bytes(text)
    for other in path.parent.glob("Packages.xz"):
        other.unlink()
    with pytest.raises(CheckFailed, match=r"apt stable: expected .* found"):
        versions(damaged)


def test_changed_metadata_of_yum_is_refused(damaged):
    path = damaged / "yum/stable/repodata/repomd.xml"
    path.write_bytes(path.read_bytes().replace(b"<revision>", b"<revision>1"))
    with pytest.raises(CheckFailed, match="yum stable: expected a valid signature"):
        versions(damaged, suites=("stable",))


@pytest.mark.parametrize("suffix", ["deb", "rpm"])
def test_changed_package_file_is_refused_when_it_is_fetched(damaged, suffix):
    file = next(damaged.rglob(f"kubelet*.{suffix}"))
    data = file.read_bytes()
    file.unlink()  # suites share files by hard links
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    if suffix == "rpm":
        for copy in damaged.rglob("kubelet*.rpm"):
            copy.write_bytes(file.read_bytes())
    with pytest.raises(CheckFailed, match=r"kubelet 1\.36\.3-1 .*: expected sha256"), serve_folder(damaged) as server:
        read_all(server.address)


def test_unsigned_repository_is_warned_of_and_refused_with_a_key(damaged, tmp_path, capsys):
    key_file = shutil.copy(damaged / "key.asc", tmp_path / "key.asc")
    for pattern in ("InRelease", "Release.gpg", "repomd.xml.asc"):
        for path in damaged.rglob(pattern):
            path.unlink()
    assert len(read_all(damaged, PlainLog())) == 10
    assert "apt stable was not verified: it is unsigned." in capsys.readouterr().err
    with pytest.raises(CheckFailed, match="apt stable: expected"):
        versions(damaged, key=str(key_file))


def test_other_key_than_the_repositorys_is_refused(published, tmp_path):
    other = tmp_path / "other.asc"
    with gpg.temporary_home() as home:
        home.run("--passphrase", "", "--quick-gen-key", "Other <other@example.invalid>", "ed25519", "sign", "never")
        other.write_text(home.run("--armor", "--export").stdout)
    with pytest.raises(CheckFailed, match="not a trusted key"):
        versions(published, key=str(other))


def test_flat_repository_and_plain_yum_repository(tmp_path):
    folder = tmp_path / "flat"
    path = deb(folder, "tools")
    data = path.read_bytes()
    entry = (
        f"Package: tools\nVersion: 1.0-1\nArchitecture: amd64\nFilename: ./{path.name}\nSize: {len(data)}\n"
        f"SHA256: {hashlib.sha256(data).hexdigest()}\n"
    ).encode()
    (folder / "Packages").write_bytes(entry)
    digest = hashlib.sha256(entry).hexdigest()
    (folder / "Release").write_text(f"Date: Thu, 01 Jan 2026 00:00:00 UTC\nSHA256:\n {digest} {len(entry)} Packages\n")
    with serve_folder(folder) as server:
        assert read_all(server.address) == [("tools", b"x\n")]
