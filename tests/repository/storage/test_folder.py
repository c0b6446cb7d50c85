"""Repositories in folders: modes of what is published, and symbolic links in the way."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.errors import ConfigurationError
from kubeparcel.repository import publisher
from kubeparcel.repository.file_stamp import FileStamp
from kubeparcel.repository.open_repository import Target
from kubeparcel.repository.storage import filesystem
from kubeparcel.repository.storage.folder import FolderStorage
from tests.support import client_view
from tests.support.package_builders import five


@pytest.fixture(params=[0o077, 0o027, 0o022])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_web_servers_can_read_what_is_published_whatever_the_umask_is(publish, repo, newer, dist, tmp_path, umask):
    publish(five(tmp_path / "private"))  # its files have the modes of the umask
    publish(newer)
    paths = [repo, *(path for path in repo.rglob("*") if ".kubeparcel" not in path.parts)]
    assert len(paths) > 30
    unreadable = [path for path in paths if path.stat().st_mode & 0o444 != 0o444]
    unreadable += [path for path in paths if path.is_dir() and path.stat().st_mode & 0o111 != 0o111]
    assert not unreadable
    assert (tmp_path / "private/kubeadm_1.36.3-1_amd64.deb").stat().st_mode & 0o777 == 0o666 & ~umask


@pytest.mark.parametrize(
    "link",
    [".kubeparcel", ".kubeparcel/lock", "apt", "apt/pool", "apt/pool/main/k/kubelet", "apt/dists/stable", "yum/stable"],
)
def test_symbolic_link_in_a_repository_is_not_followed(publish, repo, newer, tmp_path, link):
    publish()
    outside = tmp_path / "outside"
    (repo / link).rename(outside)
    (repo / link).symlink_to(outside)
    before = client_view.read_files(outside) if outside.is_dir() else outside.read_bytes()
    with pytest.raises(ConfigurationError, match="is a symbolic link"):
        publish(newer)
    with pytest.raises(ConfigurationError, match="is a symbolic link"):
        publisher.remove(["kubelet"], Target(str(repo)), QuietLog())
    assert (client_view.read_files(outside) if outside.is_dir() else outside.read_bytes()) == before


def test_symbolic_link_in_place_of_the_staging_area_is_named(publish, repo, newer, tmp_path):
    publish()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_bytes(b"precious")
    (repo / ".kubeparcel/half-made").symlink_to(tmp_path / "outside")
    with pytest.raises(ConfigurationError, match="half-made is a symbolic link"):
        publish(newer)
    assert (tmp_path / "outside/file").read_bytes() == b"precious"


def test_repository_may_be_reached_through_a_link(publish, repo, newer, tmp_path):
    (tmp_path / "disk").mkdir()
    repo.symlink_to(tmp_path / "disk")
    publish()
    publish(newer)
    assert "kubelet_1.36.4-1_amd64.deb" in client_view.read_repository(repo)["apt stable"]


def test_folder_of_new_files_appears_when_it_is_complete(repo, tmp_path, monkeypatch):
    storage = FolderStorage(repo)
    files = [(f"pool/{folder}/{name}", tmp_path / name) for name in ("one", "two") for folder in ("old", "new")]
    for _, source in files:
        source.write_text(source.name)
    stamps = [(path, FileStamp.of(str(source), source.stat(), 0)) for path, source in files]
    (repo / "pool/old").mkdir(parents=True)
    (repo / "pool/old/kept").touch()
    copy_file = filesystem.copy_file

    def copying(source: FileStamp, target: str) -> None:
        copy_file(source, target)
        assert [path.name for path in repo.glob("pool/**/*")] == ["old", "kept"]

    monkeypatch.setattr(filesystem, "copy_file", copying)
    storage.add(stamps)
    assert {path.name for path in repo.glob("pool/old/*")} == {"kept", "one", "two"}
    assert {path.read_text() for path in repo.glob("pool/new/*")} == {"one", "two"}
