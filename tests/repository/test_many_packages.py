"""Repositories of very many packages: the cost of a publish depends on the changes, not on the size."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from kubeparcel.garbage import fewer_collections
from kubeparcel.model import Format
from kubeparcel.paths import cache_dir
from kubeparcel.repository import index_entries, package_cache
from kubeparcel.repository.model import State
from kubeparcel.repository.package import Package
from kubeparcel.repository.package_cache import PackageCache
from kubeparcel.repository.storage.s3 import S3Storage
from tests.support import buckets, client_view
from tests.support.package_builders import deb, rpm
from tests.support.recorded_calls import record_calls
from tests.support.repository_fixtures import publish_folder

COUNT = 120


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Join entries in parts of about 16 packages instead of 256, also in small indexes."""
    monkeypatch.setattr(index_entries, "_FEW", 0)
    monkeypatch.setattr(index_entries, "_LAST_DIGEST", "0")


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    folder = tmp_path / "pool"
    for number in range(COUNT):
        (rpm if number % 2 else deb)(folder, f"own{number % 4}", f"1.{number}-1")
    return folder


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The digests of packages whose index entries are loaded."""
    digests: list[str] = []
    load = PackageCache.index_entries

    def recording(self: PackageCache, requested: Iterable[str]) -> Any:
        digests.extend(requested := [*requested])
        return load(self, requested)

    monkeypatch.setattr(PackageCache, "index_entries", recording)
    return digests


def index_texts(repo: Path) -> dict[str, bytes]:
    """Return the indexes of a repository without their times and digests."""
    return {name: data for name, data in client_view.read_files(repo).items() if name.endswith("/Packages")} | {
        path.name.partition("-")[2]: path.read_bytes() for path in repo.glob("yum/*/repodata/*.xml.zst")
    }


@pytest.mark.usefixtures("small_parts")
def test_one_package_more_renders_few_entries_again(publish, repo, pool, looked_up, tmp_path):
    unsigned = {"sign_rpms": False, "generations": 1}
    publish(pool, options=unsigned)
    assert len(looked_up) == COUNT
    looked_up.clear()
    deb(pool, "own0", "1.1000-1")
    rpm(pool, "own1", "1.1001-1")
    publish(pool, options=unsigned)
    assert 2 <= len(looked_up) < COUNT
    shutil.rmtree(cache_dir())
    publish_folder(pool, tmp_path / "again", options=unsigned)
    current = index_texts(tmp_path / "again")
    assert {name: index_texts(repo)[name] for name in current} == current


@pytest.mark.usefixtures("small_parts")
def test_the_cache_has_parts_of_the_current_indexes_only(publish, pool, looked_up):
    publish(pool)
    for name in ("zulu", "yankee"):
        deb(pool, name)
        publish(pool)
    with package_cache.open_cache() as cache:
        rows = cache._connection.execute("SELECT \"primary\" FROM index_parts WHERE place LIKE '%/dists/%'").fetchall()
    assert sum(text.count("Package: ") for (text,) in rows) == COUNT // 2 + 2


def package(number: int) -> Package:
    digest = f"{number * 2654435761 % (1 << 32):08x}" * 8
    return Package(Format.DEB, "own", f"1.{number:06}", "amd64", digest, 1, digest, "", f"own_{number}.deb")


def test_a_package_changes_one_part_of_an_index_or_splits_it():
    packages = [package(number) for number in range(5000)]
    before = {tuple(part) for part in index_entries._split(packages)}
    assert 10 < len(before) < 40
    assert sorted(p for part in before for p in part) == packages
    for missing in (0, 2500, 4999):
        rest = packages[:missing] + packages[missing + 1 :]
        assert len(before - {tuple(part) for part in index_entries._split(rest)}) <= 2


def test_a_state_keeps_the_order_of_its_file_and_what_was_derived():
    packages = [package(number) for number in range(50)]
    state = State(suites={"stable": frozenset(packages)}, order=tuple(packages[10:]))
    assert list(state.sorted_packages) == packages
    assert list(state.ordered(frozenset(packages[5:]))) == packages[5:]
    assert list(state.ordered({packages[7]})) == [packages[7]]
    assert state.with_records(generation=2).sorted_packages is state.sorted_packages


def test_collections_are_as_frequent_as_before_afterwards():
    before = gc.get_threshold()
    with fewer_collections():
        assert gc.get_threshold()[0] > before[0]
    assert gc.get_threshold() == before


def test_one_package_more_takes_few_requests_of_a_bucket(bucket, key, server, pool, monkeypatch):
    """A pool is never listed: a page of a listing has 1,000 files."""
    publish_folder(pool, bucket)
    for path in pool.glob("*.rpm"):
        path.unlink()
    deb(pool, "own0", "1.1000-1")
    calls = record_calls(monkeypatch, S3Storage, "file_sizes")
    with buckets.fault_proxy(server) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        publish_folder(pool, bucket)
    listed = [prefix for (_, prefix), _ in calls]
    assert not [prefix for prefix in listed if "pool" in prefix or prefix in {"", "apt", "yum"}]
    assert len(proxy.requests) <= 40, proxy.requests
