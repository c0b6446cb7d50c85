"""The lease of a bucket: one publisher at a time, as long as the process lives that has it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from kubeparcel.errors import Busy
from kubeparcel.repository.storage import s3_lease
from kubeparcel.repository.storage.base import ConflictError
from kubeparcel.repository.storage.s3 import S3Storage
from tests.support.repository_fixtures import publish_folder
from tests.support.waiting import TIMEOUT, wait_until


def test_second_publisher_fails_and_names_the_holder_of_the_lease(bucket, key, dist):
    with S3Storage.from_url(bucket).lease(0), pytest.raises(Busy, match=r"process \d+ on"):
        publish_folder(dist, bucket, wait=0)


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


@pytest.mark.parametrize(
    "data", [b"[" * 100_000, b"5", b'{"token": "x", "until": "y"}', b'{"token": -1}', b'{"token": 1e999}']
)
def test_damaged_lease_is_free_and_counts_from_the_start(data):
    record = s3_lease._parse(data)
    assert s3_lease._is_free(record)
    assert s3_lease._token(record) == 0
