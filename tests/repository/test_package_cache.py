"""The package cache, parallel reading and the state file do not change what is published."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from kubeparcel.model import Format
from kubeparcel.paths import cache_dir
from kubeparcel.repository import directory_listing, file_stamp, package_cache
from kubeparcel.repository.candidates import read
from kubeparcel.repository.client_files import version_table
from kubeparcel.repository.file_stamp import FileStamp
from kubeparcel.repository.package import Package
from kubeparcel.repository.package_cache import IndexEntry, LastPublish, ParsedPackage
from tests.support import client_view
from tests.support.package_builders import deb, rpm
from tests.support.recorded_calls import record_calls

COUNT = 600
"""More files than are read in threads: worker processes read them."""


def build_packages(folder: Path, count: int = COUNT) -> Path:
    """Build packages that are not in the catalog, half of them debs and half RPMs."""
    for number in range(count // 2):
        deb(folder, f"own{number % 7}", f"1.{number}-1")
        rpm(folder, f"own{number % 7}", f"1.{number}-1")
    return folder


def test_packages_read_by_worker_processes_are_published(publish, repo, tmp_path):
    publish(build_packages(tmp_path / "packages"), options={"sign_rpms": False})
    suites = client_view.read_repository(repo)
    assert len(suites["apt stable"]) == len(suites["yum stable"]) == COUNT // 2


def test_publish_reads_only_files_that_are_not_cached(publish, repo, dist, monkeypatch):
    monkeypatch.setattr(file_stamp, "CLOCK_TICK", 0)
    publish()
    calls = record_calls(monkeypatch, read, "read_files")
    new = deb(dist, "kubectl", "1.36.3-2")
    publish()
    assert [Path(file.path).name for (files,), _ in calls for file in files] == [new.name]
    assert new.name in client_view.read_repository(repo)["apt v1.36"]


def test_index_and_its_by_hash_name_are_hard_links(publish, repo):
    publish()
    folder = repo / "apt/dists/stable/main/binary-amd64"
    for name in ("Packages", "Packages.gz"):
        inode = (folder / name).stat().st_ino
        assert [p.stat().st_ino for p in (folder / "by-hash/SHA256").iterdir()].count(inode) == 1


@pytest.mark.parametrize("count", [1, 90])
def test_cache_returns_what_was_stored(tmp_path, count):
    digests = [f"{number:064x}" for number in range(100)]
    packages = [Package(Format.DEB, "a", "1", "all", digest, 1, digest, "", "a.deb") for digest in digests]
    with package_cache.open_cache(tmp_path) as cache:
        cache.store_packages(ParsedPackage(package, False, IndexEntry(package.sha256)) for package in packages)
        requested = [*digests[:count], "unknown"]
        entries = cache.index_entries(requested)
        assert entries == {digest: IndexEntry(digest) for digest in digests[:count]}
        assert cache.packages(requested) == dict.fromkeys(packages[:count], False)


def test_cache_returns_a_digest_only_for_an_unchanged_file(tmp_path):
    file = FileStamp("/a.deb\x003\x0017\x005")
    with package_cache.open_cache(tmp_path) as cache:
        cache.store_sealed("files", package_cache.seal_digests({file: "f" * 64}))
        assert cache.digests([file]) == {file: "f" * 64}
        assert cache.digests([FileStamp("/a.deb\x003\x0017\x006")]) == {}


def test_cache_returns_the_last_publish_of_the_same_state_only(tmp_path):
    last = LastPublish("s4", frozenset({"stable"}), (FileStamp("/a\n.deb\x003\x0017\x005"),))
    with package_cache.open_cache(tmp_path) as cache:
        cache.store_last_publish("target", last)
        assert cache.last_publish("target", "s4") == last
        assert cache.last_publish("target", "s5") is None
        assert cache.last_publish("other", "s4") is None


def test_folder_page_lists_subfolders_first_and_quotes_names():
    page = directory_listing.render_page("x", ["b.deb", "in/", "a b&c.deb", "a:b.deb"]).decode()
    assert '<li><a href="b.deb">b.deb</a>' in page
    assert '<li><a href="a%20b%26c.deb">a b&amp;c.deb</a>' in page
    assert page.index('"in/"') < page.index("a%20b")
    assert directory_listing.group_by_folder(["a/b/c", "a/d", "e"]) == {"a/b": {"c"}, "a": {"b/", "d"}, "": {"a/", "e"}}


def test_version_table_lists_the_newest_version_first():
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


def forge(folder: Path, statement: str) -> None:
    """Change the database as somebody does who has only the cache."""
    connection = sqlite3.connect(folder / "publish.sqlite")
    with connection:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        """UPDATE packages SET "primary" = 'Package: other'""",
        "UPDATE packages SET mac = NULL",
        "UPDATE packages SET version = '2'",
        "UPDATE packages SET name = name || char(31), version = substr(version, 2)",
        """UPDATE index_parts SET "primary" = 'Package: other'""",
        "UPDATE index_parts SET key = '{other}'",
        "UPDATE files SET sha256 = substr(sha256, 2) || '0'",
        "UPDATE last_publish SET files = '[1]'",
        "UPDATE layout_checked SET sha256 = substr(sha256, 2) || '0'",
        "UPDATE packages SET sha256 = '{other}' WHERE sha256 = '{digest}'",
        "INSERT INTO layout_checked VALUES ('{other}', x'00')",
    ],
)
def test_row_that_was_changed_in_the_cache_is_ignored(tmp_path, statement):
    digest, other = "f" * 64, "e" * 64
    file, last = FileStamp("/a.deb\x003\x0017\x005"), LastPublish("s", frozenset({"stable"}), ())
    package = Package(Format.DEB, "a", "1", "all", digest, 1, digest, "", "a.deb")
    table = statement.split()[2 if statement.startswith("INSERT") else 1]
    with package_cache.open_cache(tmp_path) as cache:
        cache.store_sealed("files", package_cache.seal_digests({file: digest}))
        cache.store_packages([ParsedPackage(package, False, IndexEntry("Package: a"))])
        cache.store_index_parts("apt/dists/a", {digest: IndexEntry("Package: a")})
        cache.store_layout_checked([digest])
        cache.store_last_publish("target", last)
    forge(tmp_path, statement.format(digest=digest, other=other))
    digests = {digest, other, digest[1:] + "0"}
    with package_cache.open_cache(tmp_path) as cache:
        intact = {
            "files": bool(cache.digests([file])),
            "packages": bool(cache.packages(digests) and cache.index_entries(digests)),
            "index_parts": any(cache.index_part("apt/dists/a", digest) for digest in digests),
            "last_publish": bool(cache.last_publish("target", "s")),
            "layout_checked": bool(cache.layout_checked(digests)),
        }
        assert cache.layout_checked([other]) == frozenset()
    assert intact == {name: name != table or statement.startswith("INSERT") for name in intact}


def test_forged_index_entry_is_not_published(publish, repo, dist):
    publish()
    before = client_view.read_repository(repo)
    forge(cache_dir(), """UPDATE packages SET "primary" = replace("primary", 'Depends: ', 'Depends: evil, ')""")
    deb(dist, "own", "1.0-1")
    publish()
    assert "evil" not in "".join(path.read_text() for path in repo.rglob("Packages"))
    assert set(client_view.read_repository(repo)["apt stable"]) > set(before["apt stable"])


def test_link_in_place_of_the_cache_is_not_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    (tmp_path / "cache").mkdir()
    for name in ("publish.sqlite", "publish.sqlite-wal", "publish.sqlite-shm"):
        (tmp_path / "cache" / name).symlink_to(outside)
    with package_cache.open_cache(tmp_path / "cache") as cache:
        cache.store_layout_checked(["f" * 64])
    assert outside.read_bytes() == b"precious"


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + b"\xff" * 5000])
def test_damaged_cache_is_replaced(tmp_path, content):
    (tmp_path / "publish.sqlite").write_bytes(content)
    for _ in range(2):
        with package_cache.open_cache(tmp_path) as cache:
            cache.store_layout_checked(["f" * 64])
    with package_cache.open_cache(tmp_path) as cache:
        assert cache.layout_checked(["f" * 64])


def test_full_disk_of_the_cache_does_not_stop_a_publish(publish, repo, monkeypatch):
    def prepare(connection: sqlite3.Connection) -> sqlite3.Connection:
        connection = prepare_connection(connection)
        if connection.execute("PRAGMA database_list").fetchone()[2]:
            connection.execute("PRAGMA max_page_count = 8")
        return connection

    prepare_connection = package_cache._prepare
    monkeypatch.setattr(package_cache, "_prepare", prepare)
    publish()
    assert len(client_view.read_repository(repo)["apt stable"]) == 5


def test_cache_that_cannot_be_written_does_not_stop_a_publish(publish, repo, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("KUBEPARCEL_CACHE", str(tmp_path / "file/cache"))
    publish()
    publish()
    assert len(client_view.read_repository(repo)["yum stable"]) == 5
