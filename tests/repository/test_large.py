"""What makes large repositories quick does not change what is published."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kubeparcel.model import Format
from kubeparcel.repository import directory_listing, package_cache, state_file
from kubeparcel.repository.candidates import read as incoming
from kubeparcel.repository.client_files import Table
from kubeparcel.repository.model import Package, State
from kubeparcel.repository.package_cache import FileStamp, IndexEntry, PackageMetadata
from tests.support import client_view
from tests.support.package_builders import deb, five, rpm
from tests.support.repository_fixtures import Publish

COUNT = 600
"""More than are read in threads: small files are then read by processes."""


def some(folder: Path, count: int = COUNT) -> Path:
    """A folder with debs and rpms of someone's own, half and half."""
    folder.mkdir()
    for number in range(count // 2):
        deb(folder, f"own{number % 7}", f"1.{number}-1")
        rpm(folder, f"own{number % 7}", f"1.{number}-1")
    return folder


def test_packages_read_by_processes_are_all_published(
    publish: Publish, repo: Path, tmp_path: Path
) -> None:
    publish(some(tmp_path / "some"), options={"sign_rpms": False})
    found = client_view.read_repository(repo)
    assert len(found["apt stable"]) == len(found["yum stable"]) == COUNT // 2


def test_only_a_new_file_is_read(
    publish: Publish, repo: Path, dist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish()
    read: list[str] = []
    reader = incoming.read_all

    def watched(files: list[FileStamp]) -> object:
        read.extend(Path(file.path).name for file in files)
        return reader(files)

    monkeypatch.setattr(incoming, "read_all", watched)
    new = deb(dist, "kubectl", "1.36.3-2")
    publish()
    assert read == [new.name]
    assert new.name in client_view.read_repository(repo)["apt v1.36"]


def test_an_index_and_its_name_by_hash_are_one_file(publish: Publish, repo: Path) -> None:
    publish()
    folder = repo / "apt/dists/stable/main/binary-amd64"
    for name in ("Packages", "Packages.gz"):
        inode = (folder / name).stat().st_ino
        assert [p.stat().st_ino for p in (folder / "by-hash/SHA256").iterdir()].count(inode) == 1


def test_the_history_has_each_state_as_it_was(publish: Publish, repo: Path, tmp_path: Path) -> None:
    publish()
    first = (repo / state_file.STATE_PATH).read_bytes()
    publish(five(tmp_path / "b", "1.36.4"))
    assert (repo / state_file.history_path(1)).read_bytes() == first
    assert (repo / state_file.STATE_PATH).read_bytes() != first


def test_a_state_is_the_same_after_it_was_written() -> None:
    package = Package(Format.RPM, "a", "1-1", "x86_64", "f" * 64, 3, "e" * 64, "b (>= 1)", "a.rpm")
    state = State(3, "me", {"stable": frozenset({package})}, signing_keys=("X:1",))
    for data in (state_file.dump(state), state_file.dump(state, state_file.listed(state))):
        assert state_file.parse(data, "here") == state
        assert json.loads(data)["suites"] == {"stable": [0]}


@pytest.mark.parametrize("wanted", [1, 90])
def test_memory_finds_few_and_many(tmp_path: Path, wanted: int) -> None:
    digests = [f"{number:064x}" for number in range(100)]
    facts = [PackageMetadata(d, Format.DEB, "a", "1", "all", 1, d, "", "") for d in digests]
    with package_cache.open_cache(tmp_path) as known:
        known.store_packages(facts, {digest: IndexEntry(digest) for digest in digests})
        asked = [*digests[:wanted], "unknown"]
        pieces, stanzas = known.index_entries(asked), known.deb_stanzas(asked)
        for digest in digests[:wanted]:
            assert (pieces[digest], stanzas[digest]) == (IndexEntry(digest), digest)
        assert "unknown" not in pieces.keys() | stanzas.keys()
        assert known.metadata(asked) == {one.sha256: one for one in facts[:wanted]}


def test_a_page_of_a_folder_has_folders_first_and_odd_names_quoted() -> None:
    page = directory_listing.render_page("x", ["b.deb", "in/", "a b&c.deb", "a:b.deb"]).decode()
    assert '<li><a href="b.deb">b.deb</a>' in page
    assert '<li><a href="a%20b%26c.deb">a b&amp;c.deb</a>' in page
    assert page.index('"in/"') < page.index("a%20b")
    assert directory_listing.group_by_folder(["a/b/c", "a/d", "e"]) == {
        "a/b": {"c"},
        "a": {"b/", "d"},
        "": {"a/", "e"},
    }


def test_a_table_has_the_newest_version_first() -> None:
    packages = [
        Package(form, "own", version, arch, "", 0, "", "", "")
        for version in ("1.9-1", "1.10-1")
        for form, arch in ((Format.DEB, "arm64"), (Format.DEB, "amd64"), (Format.RPM, "x86_64"))
    ]
    table = Table(packages)
    assert [row.version for row in table] == ["1.10-1", "1.9-1"]
    assert table[0].packages == {"own": ("deb amd64 arm64", "rpm amd64")}
    assert table[:1] == [table[0]]
    assert len(table) == 2
