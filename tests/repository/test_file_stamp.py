"""What is published is what was read: files that change in between, and files that change afterwards."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from kubeparcel.errors import ConfigurationError
from kubeparcel.repository.candidates import match
from kubeparcel.repository.file_stamp import SECOND, FileStamp
from kubeparcel.repository.storage.folder import FolderStorage
from tests.support import client_view
from tests.support.package_builders import deb, rpm
from tests.support.repository_fixtures import publish_folder


def replace_content(path: Path, data: bytes) -> None:
    """Write into a file, keeping its inode, size and time of modification."""
    before = path.stat()
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_ino, after.st_size, after.st_mtime_ns) == (before.st_ino, before.st_size, before.st_mtime_ns)


def status(changed: int) -> os.stat_result:
    return os.stat_result((0o100644, 17, 1, 1, 0, 0, 3, 0, 0, 0), {"st_ctime_ns": changed})


@pytest.mark.parametrize("build", [deb, rpm])
def test_file_that_changed_with_size_and_mtime_kept_is_read_again(publish, repo, dist, tmp_path, build):
    old, new = build(dist, "own", body=b"one"), build(tmp_path, "own", body=b"two")
    options = {"sign_rpms": False}
    publish_folder(dist, tmp_path / "first", options=options)
    replace_content(old, new.read_bytes())
    publish(options=options)
    published = [*repo.rglob(old.name)]
    assert published
    assert {path.read_bytes() for path in published} == {new.read_bytes()}
    client_view.read_repository(repo)


def test_published_files_share_no_inode_with_those_of_the_user(publish, repo, dist):
    publish(options={"sign_rpms": False})
    published = [path for path in repo.rglob("*") if path.suffix in (".deb", ".rpm")]
    assert len(published) == 15  # rpms in two suites
    assert not {path.stat().st_ino for path in published} & {path.stat().st_ino for path in dist.iterdir()}
    before = client_view.read_files(repo)
    for path in dist.iterdir():
        path.write_bytes(b"something else")
    assert client_view.read_files(repo) == before


def test_published_files_have_modes_of_their_own(publish, repo, dist, tmp_path):
    private = deb(dist, "own", "1.0-1")
    private.chmod(0o600)
    linked = deb(tmp_path, "linked", "1.0-1")
    (dist / linked.name).symlink_to(linked)
    publish()
    for name in (private.name, linked.name):
        [published] = repo.rglob(name)
        assert not published.is_symlink()
        assert published.stat().st_mode & 0o777 == 0o644
    assert private.stat().st_mode & 0o777 == 0o600


def test_file_that_changes_while_it_is_published_is_an_error(publish, repo, dist, monkeypatch):
    publish()
    before = client_view.read_repository(repo)
    path = deb(dist, "own", "1.0-1", body=b"one")
    check_layout = match.drop_superseded

    def change(*arguments: object) -> object:
        replace_content(path, b"!<arch>\nanything")
        return check_layout(*arguments)

    monkeypatch.setattr(match, "drop_superseded", change)
    with pytest.raises(ConfigurationError, match=f"{path.name} changed while it was published"):
        publish()
    assert client_view.read_repository(repo) == before
    assert not [*repo.glob("apt/**/own*.deb")]


def test_file_replaced_before_it_is_copied_is_an_error(dist, repo, tmp_path):
    path = deb(dist, "own", "1.0-1")
    stamp = FileStamp.of(str(path), path.stat(), 0)
    shutil.copy2(path, tmp_path / "copy")
    (tmp_path / "copy").replace(path)
    with pytest.raises(ConfigurationError, match="changed while it was published"):
        FolderStorage(repo).add([("apt/pool/own.deb", stamp)])
    assert not (repo / "apt/pool/own.deb").exists()


def test_file_that_changed_just_now_is_read_again():
    now = 1_800_000_000 * SECOND + 500_000_000
    assert FileStamp.of("/a.deb", status(now - SECOND), now).is_reliable
    for changed in (now - 1_000_000, now + 5 * SECOND):
        assert not FileStamp.of("/a.deb", status(changed), now).is_reliable
        assert FileStamp.of("/a.deb", status(changed), now) != FileStamp.of("/a.deb", status(changed), now + SECOND)


def test_file_systems_that_count_seconds_need_a_longer_pause():
    now = 1_800_000_000 * SECOND
    assert not FileStamp.of("/a.deb", status(now - SECOND), now + 500_000_000).is_reliable
    assert FileStamp.of("/a.deb", status(now - 3 * SECOND), now).is_reliable
