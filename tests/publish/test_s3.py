"""The same in a bucket: a real S3 server on loopback."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubeparcel.errors import Busy, OutsideError
from kubeparcel.log import Quiet
from kubeparcel.publish import lease, publisher
from kubeparcel.publish.publisher import Target
from kubeparcel.publish.s3 import Bucket
from kubeparcel.publish.storage import Refused

from . import look
from .handmade import five

pytest.importorskip("obstore")
pytest.importorskip("moto.server", reason="moto is the S3 server of these tests")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    script = (
        "from moto.server import ThreadedMotoServer as S\n"
        "s = S('127.0.0.1', 0, verbose=False); s.start()\n"
        "print(s.get_host_and_port()[1], flush=True)\n"
        "import sys; sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    process.stdin.close()
    process.wait(20)
    process.stdout.close()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    name = f"b{abs(hash(tmp_path)):x}"
    urllib.request.urlopen(urllib.request.Request(f"{server}/{name}", method="PUT"))
    return f"s3://{name}/some/prefix"


def fetched(bucket: str, folder: Path) -> Path:
    """A copy of the bucket in a folder."""
    store = Bucket.at(bucket)
    for path in (*store.sizes("apt"), *store.sizes("yum"), *store.names("")):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(store.read(path) or b"")
    return folder


def test_a_bucket_holds_what_a_folder_would(
    bucket: str, key: Path, dist: Path, tmp_path: Path
) -> None:
    publisher.publish(dist, Target(bucket), Quiet(), unchecked=True)
    found = look.whole(fetched(bucket, tmp_path / "copy"))
    assert set(found) == {"apt stable", "apt v1.36", "yum stable", "yum v1.36"}
    again = publisher.publish(dist, Target(bucket), Quiet(), unchecked=True)
    assert "Nothing to do" in again.as_text()


def test_only_what_changed_is_uploaded(
    bucket: str, key: Path, dist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher.publish(dist, Target(bucket), Quiet(), unchecked=True)
    put: list[str] = []
    real = Bucket._put

    def seen(self: Bucket, path: str, *args: object, **options: object) -> object:
        put.append(path)
        return real(self, path, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Bucket, "_put", seen)
    newer = five(tmp_path / "newer", "1.36.4")
    publisher.publish(newer, Target(bucket), Quiet(), unchecked=True)
    assert not any("1.36.3" in path or "kubernetes-cni" in path for path in put if "pool" in path)
    entry = put.index("apt/dists/stable/InRelease")
    assert all(put.index(p) < entry for p in put if "by-hash" in p and not p.endswith("html"))
    look.whole(fetched(bucket, tmp_path / "copy"))


def test_caches_may_keep_packages_and_not_entries(bucket: str, key: Path, dist: Path) -> None:
    publisher.publish(dist, Target(bucket), Quiet(), unchecked=True)
    import obstore

    store = Bucket.at(bucket).store

    def header(path: str) -> str:
        return str(obstore.get(store, path).attributes["Cache-Control"])

    assert "immutable" in header("apt/pool/main/k/kubelet/kubelet_1.36.3-1_amd64.deb")
    assert "max-age=60" in header("apt/dists/stable/InRelease")
    assert "max-age=60" in header("yum/stable/repodata/repomd.xml")


def test_a_second_publisher_is_refused_and_told_by_whom(bucket: str, key: Path, dist: Path) -> None:
    with Bucket.at(bucket).lease(0), pytest.raises(Busy, match=r"process \d+ on"):
        publisher.publish(dist, Target(bucket, wait=0), Quiet(), unchecked=True)


def test_a_dead_holders_lease_ends(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "LIFETIME", 0.4)
    store = Bucket.at(bucket)
    _, tag = store.tagged(lease.PATH)
    store.replace(lease.PATH, lease._text(7, 0.4), tag)
    with pytest.raises(Busy):
        store.lease(0).__enter__()
    time.sleep(0.5)
    with store.lease(0) as token:
        assert token == 8


def test_who_lost_the_lease_writes_no_more(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "LIFETIME", 0.3)
    store, other = Bucket.at(bucket), Bucket.at(bucket)
    with store.lease(0):
        _, tag = other.tagged(lease.PATH)
        other.replace(lease.PATH, json.dumps({"token": 99, "until": 1e12}).encode(), tag)
        time.sleep(0.4)
        with pytest.raises(Refused, match="lease was lost"):
            store.write({"x": b"y"})


def test_what_another_changed_is_not_overwritten(bucket: str) -> None:
    store = Bucket.at(bucket)
    tag = store.replace("x", b"1", None)
    store.replace("x", b"2", tag)
    with pytest.raises(Refused):
        store.replace("x", b"3", tag)
    with pytest.raises(Refused):
        store.replace("x", b"3", None)
    assert store.read("x") == b"2"


def test_a_bucket_that_is_not_there_is_an_error(bucket: str, key: Path, dist: Path) -> None:
    with pytest.raises(OutsideError):
        publisher.publish(dist, Target("s3://nobody-has-this/x"), Quiet(), unchecked=True)
