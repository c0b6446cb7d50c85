"""The package cache, parallel reading and the state file do not change what is published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from kubeparcel.model import Format
from kubeparcel.repository import directory_listing, file_stamp, package_cache
from kubeparcel.repository.candidates import read
from kubeparcel.repository.client_files import version_table
from kubeparcel.repository.file_stamp import FileStamp
from kubeparcel.repository.model import Package
from kubeparcel.repository.package_cache import IndexEntry, LastPublish, PackageMetadata
from tests.support import client_view
from tests.support.package_builders import deb, rpm
from tests.support.repository_fixtures import Publish

COUNT = 600
"""More files than are read in threads: worker processes read them."""


def build_packages(folder: Path, count: int = COUNT) -> Path:
    """Build packages that are not in the catalog, half of them debs and half RPMs."""
    folder.mkdir()
    for number in range(count // 2):
        deb(folder, f"own{number % 7}", f"1.{number}-1")
        rpm(folder, f"own{number % 7}", f"1.{number}-1")
    return folder


def test_packages_read_by_worker_processes_are_published(publish: Publish, repo: Path, tmp_path: Path) -> None:
    publish(build_packages(tmp_path / "packages"), options={"sign_rpms": False})
    suites = client_view.read_repository(repo)
    assert len(suites["apt stable"]) == len(suites["yum stable"]) == COUNT // 2


def test_publish_reads_only_files_that_are_not_cached(
    publish: Publish, repo: Path, dist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_stamp, "CLOCK_TICK", 0)
    publish()
    names: list[str] = []
    read_files = read.read_files

    def recording(files: Sequence[FileStamp]) -> object:
        names.extend(Path(file.path).name for file in files)
        return read_files(files)

    monkeypatch.setattr(read, "read_files", recording)
    new = deb(dist, "kubectl", "1.36.3-2")
    publish()
    assert names == [new.name]
    assert new.name in client_view.read_repository(repo)["apt v1.36"]


def test_index_and_its_by_hash_name_are_hard_links(publish: Publish, repo: Path) -> None:
    publish()
    folder = repo / "apt/dists/stable/main/binary-amd64"
    for name in ("Packages", "Packages.gz"):
        inode = (folder / name).stat().st_ino
        assert [p.stat().st_ino for p in (folder / "by-hash/SHA256").iterdir()].count(inode) == 1


@pytest.mark.parametrize("count", [1, 90])
def test_cache_returns_what_was_stored(tmp_path: Path, count: int) -> None:
    digests = [f"{number:064x}" for number in range(100)]
    metadata = [PackageMetadata(digest, Format.DEB, "a", "1", "all", 1, digest, "", signed=False) for digest in digests]
    with package_cache.open_cache(tmp_path) as cache:
        cache.store_metadata(metadata)
        cache.store_index_entries({digest: IndexEntry(digest) for digest in digests})
        requested = [*digests[:count], "unknown"]
        entries = cache.index_entries(requested)
        assert entries == {digest: IndexEntry(digest) for digest in digests[:count]}
        assert cache.metadata(requested) == {package.sha256: package for package in metadata[:count]}


def test_cache_returns_a_digest_only_for_an_unchanged_file(tmp_path: Path) -> None:
    file = FileStamp("/a.deb\x003\x0017\x005")
    with package_cache.open_cache(tmp_path) as cache:
        cache.store_digests({file: "f" * 64})
        assert cache.digests([file]) == {file: "f" * 64}
        assert cache.digests([FileStamp("/a.deb\x003\x0017\x006")]) == {}


def test_cache_returns_the_last_publish_of_the_same_state_only(tmp_path: Path) -> None:
    last = LastPublish("s4", frozenset({"stable"}), (FileStamp("/a\n.deb\x003\x0017\x005"),))
    with package_cache.open_cache(tmp_path) as cache:
        cache.store_last_publish("target", last)
        assert cache.last_publish("target", "s4") == last
        assert cache.last_publish("target", "s5") is None
        assert cache.last_publish("other", "s4") is None


def test_folder_page_lists_subfolders_first_and_quotes_names() -> None:
    page = directory_listing.render_page("x", ["b.deb", "in/", "a b&c.deb", "a:b.deb"]).decode()
    assert '<li><a href="b.deb">b.deb</a>' in page
    assert '<li><a href="a%20b%26c.deb">a b&amp;c.deb</a>' in page
    assert page.index('"in/"') < page.index("a%20b")
    assert directory_listing.group_by_folder(["a/b/c", "a/d", "e"]) == {"a/b": {"c"}, "a": {"b/", "d"}, "": {"a/", "e"}}


def test_version_table_lists_the_newest_version_first() -> None:
    packages = [
        Package(format_, "own", version, arch, "", 0, "", "", "")
        for version in ("1.9-1", "1.10-1")
        for format_, arch in ((Format.DEB, "arm64"), (Format.DEB, "amd64"), (Format.RPM, "x86_64"))
    ]
    table = version_table(packages)
    assert [row.version for row in table.rows] == ["1.10-1", "1.9-1"]
    assert table.rows[0].packages == {"own": ("deb amd64 arm64", "rpm amd64")}
    assert table.older == 0
    assert version_table(packages, limit=1) == (table.rows[:1], 1)
