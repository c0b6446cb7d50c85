"""Publishing to buckets: real S3 servers on loopback, and a proxy that injects faults."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.errors import Busy, ExternalError, UsageError
from kubeparcel.repository import publisher
from kubeparcel.repository.open_repository import Target
from kubeparcel.repository.storage import s3_bucket, s3_lease
from kubeparcel.repository.storage.base import ConflictError
from kubeparcel.repository.storage.s3 import S3Storage
from tests.support import buckets, client_view
from tests.support.package_builders import deb, five
from tests.support.waiting import TIMEOUT, wait_until


def download(bucket: str, folder: Path) -> Path:
    """Download a bucket into a folder."""
    store = S3Storage.from_url(bucket)

    def fetch(path: str) -> None:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(store.read(path) or b"")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fetch, (*store.file_sizes("apt"), *store.file_sizes("yum"), *store.file_names(""))))
    return folder


def test_publish_to_bucket_writes_the_same_suites_as_to_folder(bucket, key, dist, tmp_path):
    publisher.publish(dist, Target(bucket), QuietLog(), skip_layout_check=True)
    found = client_view.read_repository(download(bucket, tmp_path / "copy"))
    assert set(found) == {"apt stable", "apt v1.36", "yum stable", "yum v1.36"}
    again = publisher.publish(dist, Target(bucket), QuietLog(), skip_layout_check=True)
    assert "Nothing to do" in again.as_text()


def test_every_task_changes_bucket_and_folder_alike(bucket, key, dist, repo, tmp_path):
    newer = five(tmp_path / "newer", "1.36.4")
    steps: tuple[Callable[[Target], object], ...] = (
        lambda to: publisher.publish(dist, to, QuietLog(), suite="testing", skip_layout_check=True),
        lambda to: publisher.publish(newer, to, QuietLog(), suite="testing", skip_layout_check=True),
        lambda to: publisher.copy("testing", "good", to, QuietLog()),
        lambda to: publisher.remove(["=1.36.4-1"], to, QuietLog(), suite="good"),
        lambda to: publisher.retain(1, to, QuietLog(), suite="testing"),
        lambda to: publisher.rollback(to, QuietLog()),
        lambda to: publisher.remove(["*"], to, QuietLog(), suite="good"),
    )
    for number, step in enumerate(steps):
        step(Target(bucket))
        step(Target(str(repo)))
        found = client_view.read_repository(download(bucket, tmp_path / f"copy-{number}"))
        assert names(found) == names(client_view.read_repository(repo))
    assert set(found) == {"apt testing", "yum testing"}


@pytest.mark.parametrize("name", ["index.html", "html/index.html", "yum/el9/repodata/repomd.xml"])
def test_bucket_with_other_files_is_not_published_to(bucket, key, dist, name):
    store = S3Storage.from_url(bucket)
    store.write({name: b"of others"})
    with pytest.raises(UsageError, match="contains other files"):
        publisher.publish(dist, Target(bucket), QuietLog(), skip_layout_check=True)
    assert store.top_names() == [name.partition("/")[0]]
    assert store.read(name) == b"of others"


def test_shared_package_in_a_bucket_is_kept(bucket, key, dist, tmp_path):
    publisher.publish(dist, Target(bucket), QuietLog(), skip_layout_check=True)
    newer = five(tmp_path / "newer", "1.36.4")
    deb(newer, "cri-tools", "1.36.0-1", fields="Maintainer: Others <others@example.invalid>\n")
    result = publisher.publish(newer, Target(bucket), QuietLog(), skip_layout_check=True)
    assert [(kept.package.name, kept.differences) for kept in result.kept] == [("cri-tools", "maintainer")]
    assert {package.version for package in result.state.packages if package.name == "kubelet"} == {
        "1.36.3-1",
        "1.36.4-1",
    }


def names(suites: dict[str, dict[str, str]]) -> dict[str, set[str]]:
    return {suite: set(packages) for suite, packages in suites.items()}


def test_publish_uploads_only_changed_files_and_entry_files_last(bucket, key, dist, tmp_path, monkeypatch):
    publisher.publish(dist, Target(bucket), QuietLog(), skip_layout_check=True)
    uploaded: list[str] = []
    original = S3Storage.put

    def record(self: S3Storage, path: str, *args: object, **options: object) -> object:
        uploaded.append(path)
        return original(self, path, *args, **options)

    monkeypatch.setattr(S3Storage, "put", record)
    newer = five(tmp_path / "newer", "1.36.4")
    publisher.publish(newer, Target(bucket), QuietLog(), skip_layout_check=True)
    packages = [path for path in uploaded if path.startswith("apt/pool/") and path.endswith(".deb")]
    assert {path.partition("_")[2] for path in packages} == {"1.36.4-1_amd64.deb"}
    assert not any("1.36.3" in path or "kubernetes-cni" in path for path in uploaded if "pool" in path)
    entry = uploaded.index("apt/dists/stable/InRelease")
    assert all(uploaded.index(p) < entry for p in uploaded if "by-hash" in p and not p.endswith("html"))
    client_view.read_repository(download(bucket, tmp_path / "copy"))


def test_packages_are_cacheable_forever_and_entry_files_briefly(bucket, key, dist):
    publisher.publish(dist, Target(bucket), QuietLog(), skip_layout_check=True)
    import obstore

    store = S3Storage.from_url(bucket).store

    def header(path: str) -> str:
        return str(obstore.get(store, path).attributes["Cache-Control"])

    assert "immutable" in header("apt/pool/main/k/kubelet/kubelet_1.36.3-1_amd64.deb")
    assert "max-age=60" in header("apt/dists/stable/InRelease")
    assert "max-age=60" in header("yum/stable/repodata/repomd.xml")


def test_second_publisher_fails_and_names_the_holder_of_the_lease(bucket, key, dist):
    with S3Storage.from_url(bucket).lease(0), pytest.raises(Busy, match=r"process \d+ on"):
        publisher.publish(dist, Target(bucket, wait=0), QuietLog(), skip_layout_check=True)


@contextmanager
def lease_expired() -> Iterator[None]:
    """Make every lease old enough to be taken."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(s3_lease, "_age", lambda _: s3_lease.LEASE_SECONDS)
        yield


def test_lease_of_a_dead_process_expires(bucket):
    store = S3Storage.from_url(bucket)
    store.put_if_unchanged(s3_lease.LEASE_PATH, s3_lease._record(7, s3_lease.LEASE_SECONDS), None)
    with pytest.raises(Busy):
        store.lease(0).__enter__()
    with lease_expired(), store.lease(0) as token:
        assert token == 8


@pytest.mark.parametrize("clock", [-86_400, 86_400])
def test_lease_lasts_as_long_if_its_writer_has_a_wrong_clock(bucket, monkeypatch, clock):
    store = S3Storage.from_url(bucket)
    record = {"token": 7, "holder": "process 1 on builder", "until": time.time() + clock}
    store.put_if_unchanged(s3_lease.LEASE_PATH, json.dumps(record).encode(), None)
    with pytest.raises(Busy, match="process 1 on builder"):
        store.lease(0).__enter__()
    monkeypatch.setattr(s3_lease, "LEASE_SECONDS", 1.0)
    with store.lease(TIMEOUT) as token:
        assert token == 8


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"[" * 100_000, b'{"until": "x", "token": [1]}', b'{"until": null}']
)
def test_damaged_lease_is_free(bucket, data):
    store = S3Storage.from_url(bucket)
    store.put_if_unchanged(s3_lease.LEASE_PATH, data, None)
    with store.lease(0) as token:
        assert token == 1


def test_storage_rejects_writes_after_its_lease_was_lost(bucket, monkeypatch):
    monkeypatch.setattr(s3_lease, "LEASE_SECONDS", 0.3)
    store, other = S3Storage.from_url(bucket), S3Storage.from_url(bucket)
    other.write({"there": b"1"})
    stolen = json.dumps({"token": 99, "until": 1e12}).encode()

    def steal() -> bool:
        with suppress(ConflictError):  # the holder renewed the lease in between
            other.put_if_unchanged(s3_lease.LEASE_PATH, stolen, other.read_with_etag(s3_lease.LEASE_PATH)[1])
            return True
        return False

    def lost() -> bool:
        with suppress(ConflictError):
            store._require_lease()
            return False
        return True

    with store.lease(0):
        assert wait_until(steal)
        assert wait_until(lost)
        for act in (
            lambda: store.write({"x": b"y"}),
            lambda: store.remove(["there"]),
            lambda: store.copy([("there", "x")]),
        ):
            with pytest.raises(ConflictError, match="lease was lost"):
                act()
    assert (other.read("there"), other.read("x")) == (b"1", None)


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
        publisher.publish(dist, Target("s3://nobody-has-this/x"), QuietLog(), skip_layout_check=True)


def publish_to(dist: Path, bucket: str) -> None:
    publisher.publish(dist, Target(bucket), QuietLog(), skip_layout_check=True)


def test_denied_access_says_which_variables_to_check(proxy, bucket, key, dist):
    proxy.always = 403
    with pytest.raises(ExternalError, match="access denied") as error:
        publish_to(dist, bucket)
    assert "AWS_ACCESS_KEY_ID" in error.value.hint


def test_stalled_server_times_out(proxy, bucket, key, dist, monkeypatch):
    monkeypatch.setattr(s3_bucket, "TIMEOUT", timedelta(seconds=2))
    proxy.always = buckets.STALL
    begun = time.monotonic()
    with pytest.raises(ExternalError, match=r"timed out|timeout|error sending request"):
        publish_to(dist, bucket)
    assert time.monotonic() - begun < TIMEOUT


def test_transient_server_errors_are_retried(proxy, bucket, key, dist, tmp_path):
    proxy.faults = [500, 503, 500]
    publish_to(dist, bucket)
    assert not proxy.faults
    assert "yum stable" in client_view.read_repository(download(bucket, tmp_path / "copy"))


@pytest.mark.parametrize("status", [403, 500])
def test_failed_publish_leaves_the_previous_repository(proxy, bucket, key, dist, tmp_path, status):
    publish_to(dist, bucket)
    before = client_view.read_repository(download(bucket, tmp_path / "before"))
    newer = five(tmp_path / "newer", "1.36.4")
    for after in (1, 10, 25):
        proxy.always, proxy.after = status, after
        with pytest.raises(ExternalError) as error:
            publish_to(newer, bucket)
        assert not isinstance(error.value, Busy)
        proxy.always = 0
        with lease_expired(), S3Storage.from_url(bucket).lease(0):
            pass  # the lease of the publisher that failed has ended
        assert client_view.read_repository(download(bucket, tmp_path / f"left-{after}")) == before
    publish_to(newer, bucket)
    found = client_view.read_repository(download(bucket, tmp_path / "after"))
    assert "kubelet_1.36.4-1_amd64.deb" in found["apt stable"]
