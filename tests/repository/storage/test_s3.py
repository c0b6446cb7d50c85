"""Publishing to buckets: real S3 servers on loopback, and a proxy that injects faults."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.errors import Busy, ExternalError, UsageError
from kubeparcel.repository import publisher
from kubeparcel.repository.open_repository import Target
from kubeparcel.repository.storage import s3_bucket
from kubeparcel.repository.storage.base import ConflictError
from kubeparcel.repository.storage.s3 import S3Storage
from tests.repository.storage.test_s3_lease import lease_expired
from tests.support import buckets, client_view
from tests.support.package_builders import deb
from tests.support.recorded_calls import record_calls
from tests.support.repository_fixtures import publish_folder
from tests.support.waiting import TIMEOUT


def read_bucket(bucket: str, folder: Path) -> client_view.Suites:
    """Download a bucket into a folder, verify all suites, and return their packages."""
    store = S3Storage.from_url(bucket)

    def fetch(path: str) -> None:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(store.read(path) or b"")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fetch, (*store.file_sizes("apt"), *store.file_sizes("yum"), *store.file_names(""))))
    return client_view.read_repository(folder)


def test_publish_to_bucket_writes_the_same_suites_as_to_folder(bucket, key, dist, tmp_path):
    publish_folder(dist, bucket)
    assert set(read_bucket(bucket, tmp_path / "copy")) == {"apt stable", "apt v1.36", "yum stable", "yum v1.36"}
    again = publish_folder(dist, bucket)
    assert "Nothing to do" in again.as_text()


def test_every_task_changes_bucket_and_folder_alike(bucket, key, dist, newer, repo, tmp_path):
    steps = (
        lambda to: publish_folder(dist, to.location, suite="testing"),
        lambda to: publish_folder(newer, to.location, suite="testing"),
        lambda to: publisher.copy("testing", "good", to, QuietLog()),
        lambda to: publisher.remove(["=1.36.4-1"], to, QuietLog(), suite="good"),
        lambda to: publisher.retain(1, to, QuietLog(), suite="testing"),
        lambda to: publisher.rollback(to, QuietLog()),
        lambda to: publisher.remove(["*"], to, QuietLog(), suite="good"),
    )
    for number, step in enumerate(steps):
        step(Target(bucket))
        step(Target(str(repo)))
        suites = read_bucket(bucket, tmp_path / f"copy-{number}")
        assert names(suites) == names(client_view.read_repository(repo))
    assert set(suites) == {"apt testing", "yum testing"}


@pytest.mark.parametrize("name", ["index.html", "html/index.html", "yum/el9/repodata/repomd.xml"])
def test_bucket_with_other_files_is_not_published_to(bucket, key, dist, name):
    store = S3Storage.from_url(bucket)
    store.write({name: b"of others"})
    with pytest.raises(UsageError, match="contains other files"):
        publish_folder(dist, bucket)
    assert store.top_names() == [name.partition("/")[0]]
    assert store.read(name) == b"of others"


def test_shared_package_in_a_bucket_is_kept(bucket, key, dist, newer):
    publish_folder(dist, bucket)
    deb(newer, "cri-tools", "1.36.0-1", fields="Maintainer: Others <others@example.invalid>\n")
    result = publish_folder(newer, bucket)
    assert [(kept.package.name, kept.differences) for kept in result.kept] == [("cri-tools", "maintainer")]
    assert {package.version for package in result.state.packages if package.name == "kubelet"} == {
        "1.36.3-1",
        "1.36.4-1",
    }


def names(suites: dict[str, dict[str, str]]) -> dict[str, set[str]]:
    return {suite: set(packages) for suite, packages in suites.items()}


def test_publish_uploads_only_changed_files_and_entry_files_last(bucket, key, dist, newer, tmp_path, monkeypatch):
    publish_folder(dist, bucket)
    calls = record_calls(monkeypatch, S3Storage, "put")
    publish_folder(newer, bucket)
    uploaded = [path for (_, path, *_), _ in calls]
    packages = [path for path in uploaded if path.startswith("apt/pool/") and path.endswith(".deb")]
    assert {path.partition("_")[2] for path in packages} == {"1.36.4-1_amd64.deb"}
    assert not any("1.36.3" in path or "kubernetes-cni" in path for path in uploaded if "pool" in path)
    entry = uploaded.index("apt/dists/stable/InRelease")
    assert all(uploaded.index(p) < entry for p in uploaded if "by-hash" in p and not p.endswith("html"))
    read_bucket(bucket, tmp_path / "copy")


def test_packages_are_cacheable_forever_and_entry_files_briefly(bucket, key, dist):
    publish_folder(dist, bucket)
    import obstore

    store = S3Storage.from_url(bucket).store

    def header(path: str) -> str:
        return str(obstore.get(store, path).attributes["Cache-Control"])

    assert "immutable" in header("apt/pool/main/k/kubelet/kubelet_1.36.3-1_amd64.deb")
    assert "max-age=60" in header("apt/dists/stable/InRelease")
    assert "max-age=60" in header("yum/stable/repodata/repomd.xml")


def test_conditional_write_fails_if_another_publisher_wrote_first(bucket):
    store = S3Storage.from_url(bucket)
    tag = store.put_if_unchanged("x", b"1", None)
    store.put_if_unchanged("x", b"2", tag)
    with pytest.raises(ConflictError):
        store.put_if_unchanged("x", b"3", tag)
    with pytest.raises(ConflictError):
        store.put_if_unchanged("x", b"3", None)
    assert store.read("x") == b"2"


def test_missing_bucket_is_an_error(bucket, key, dist):
    with pytest.raises(ExternalError, match="does not exist"):
        publish_folder(dist, "s3://nobody-has-this/x")


def test_denied_access_says_which_variables_to_check(proxy, bucket, key, dist):
    proxy.always = 403
    with pytest.raises(ExternalError, match="access denied") as error:
        publish_folder(dist, bucket)
    assert "AWS_ACCESS_KEY_ID" in error.value.hint


def test_stalled_server_times_out(proxy, bucket, key, dist, monkeypatch):
    monkeypatch.setattr(s3_bucket, "TIMEOUT", timedelta(seconds=2))
    proxy.always = buckets.STALL
    begun = time.monotonic()
    with pytest.raises(ExternalError, match=r"timed out|timeout|error sending request"):
        publish_folder(dist, bucket)
    assert time.monotonic() - begun < TIMEOUT


def test_transient_server_errors_are_retried(proxy, bucket, key, dist, tmp_path):
    proxy.faults = [500, 503, 500]
    publish_folder(dist, bucket)
    assert not proxy.faults
    assert "yum stable" in read_bucket(bucket, tmp_path / "copy")


@pytest.mark.parametrize("status", [403, 500])
def test_failed_publish_leaves_the_previous_repository(proxy, bucket, key, dist, newer, tmp_path, status):
    publish_folder(dist, bucket)
    before = read_bucket(bucket, tmp_path / "before")
    for after in (1, 10, 25):
        proxy.always, proxy.after = status, after
        with pytest.raises(ExternalError) as error:
            publish_folder(newer, bucket)
        assert not isinstance(error.value, Busy)
        proxy.always = 0
        with lease_expired(), S3Storage.from_url(bucket).lease(0):
            pass  # the lease of the publisher that failed has ended
        assert read_bucket(bucket, tmp_path / f"left-{after}") == before
    publish_folder(newer, bucket)
    assert "kubelet_1.36.4-1_amd64.deb" in read_bucket(bucket, tmp_path / "after")["apt stable"]
