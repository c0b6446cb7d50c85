"""Scanning a folder finds its packages, and those that are new since the last publish."""

import os
from pathlib import Path

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.errors import UsageError
from kubeparcel.repository import file_stamp, publisher
from kubeparcel.repository.candidates.scan import new_files, scan_folder
from kubeparcel.repository.open_repository import Target
from kubeparcel.repository.package_cache import LastPublish
from tests.support.package_builders import deb
from tests.support.repository_fixtures import publish_folder


def test_scan_includes_subfolders_but_no_repositories(publish, dist):
    for name in ("deep/er", ".hidden"):
        deb(dist / name, "own", "1-1")
    (dist / "notes.txt").write_text("not a package")
    publish_folder(dist, dist / "repo")
    files = scan_folder(dist).packages
    assert len(files) == 11
    assert {Path(file.path).parent for file in files} == {dist, dist / "deep" / "er"}
    for file in files:
        status = Path(file.path).stat()
        assert file.size == status.st_size
        file.require_unchanged(status)


def test_scan_without_packages_is_a_usage_error(tmp_path):
    (tmp_path / "file").touch()
    for folder, message in ((tmp_path, "No .deb or .rpm files"), (tmp_path / "x", "not exist")):
        with pytest.raises(UsageError, match=message):
            scan_folder(folder)
    with pytest.raises(UsageError, match="not a folder"):
        scan_folder(tmp_path / "file")


def test_scan_rejects_file_names_that_are_not_utf8(tmp_path):
    Path(os.fsdecode(bytes(tmp_path) + b"/a\xff.deb")).touch()
    with pytest.raises(UsageError, match=r"a\\udcff.deb' is not valid UTF-8"):
        scan_folder(tmp_path)


def test_publish_of_a_missing_folder_creates_no_key(configuration, tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        publisher.publish(tmp_path / "x", Target(str(tmp_path / "repo")), QuietLog())
    assert not configuration.exists()


def test_new_files_compares_with_the_last_publish_for_unusual_names(tmp_path, monkeypatch):
    names = ["a b.deb", "a\nb.deb", "ü.rpm"]
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    monkeypatch.setattr(file_stamp, "CLOCK_TICK", 0)
    files = scan_folder(tmp_path)
    assert [Path(file.path).name for file in files.packages] == sorted(names)
    last = LastPublish("", frozenset(), *files)
    assert new_files(files, last) == []
    (tmp_path / "c.deb").write_bytes(b"xyz")
    [new] = new_files(scan_folder(tmp_path), last) or ()
    assert (new.path, new.size) == (str(tmp_path / "c.deb"), 3)
    (tmp_path / names[0]).unlink()
    assert new_files(scan_folder(tmp_path), last) is None
