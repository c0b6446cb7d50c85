"""Stores of two machines with one remote, a folder or a bucket, and what they do about a faulty one."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from kubeparcel import shared_store
from kubeparcel.errors import ConfigurationError, DigestError
from kubeparcel.record_key import VARIABLE
from kubeparcel.repository.storage.factory import open_remote
from kubeparcel.shared_store import Remote, RemoteStorage, SharedStore, key_name
from tests.support import buckets
from tests.support.recording_log import RecordingLog

DATA = b"binary" * 1000
DIGEST = hashlib.sha256(DATA).hexdigest()
OBJECT = f"sha256/{DIGEST[:2]}/{DIGEST}"


SERVERS = {"moto": buckets.moto, "versitygw": buckets.versitygw}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Return a function that starts an S3 server by name, once, and returns its URL."""
    with ExitStack() as stack:
        yield functools.cache(lambda name: stack.enter_context(SERVERS[name](tmp_path_factory.mktemp(name))))


@pytest.fixture
def server(location_kind: str, servers: Callable[[str], str]) -> str:
    return servers(location_kind)


@pytest.fixture(params=["folder", "moto", pytest.param("versitygw", marks=pytest.mark.acceptance)])
def location_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def location(
    location_kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """A remote cache, and the secret that its machines share."""
    place = str(tmp_path / "remote") if location_kind == "folder" else request.getfixturevalue("bucket")
    (tmp_path / "remote").mkdir()
    monkeypatch.setenv(VARIABLE, "secret of the team")
    return place


@pytest.fixture
def machine(location: str, tmp_path: Path, log: RecordingLog) -> Callable[..., SharedStore]:
    """Return a function that opens the store of a machine."""

    def open_store(name: str, **options: bool) -> SharedStore:
        return SharedStore(tmp_path / name, Remote(open_remote(location, tmp_path), log, **options))

    return open_store


@pytest.fixture
def storage(location: str, tmp_path: Path) -> RemoteStorage:
    return open_remote(location, tmp_path)


def write(storage: RemoteStorage, path: str, data: bytes, folder: Path) -> None:
    """Write a file to the remote, as another program would."""
    (folder / "file").write_bytes(data)
    storage.create(path, folder / "file")


def test_machines_share_files_and_records(machine, log):
    digest = machine("one").add_bytes(DATA)
    machine("one").put_record("go", "recipe", {"kubelet": digest})
    two = machine("two")
    assert two.get_record("go", "recipe") == {"kubelet": digest}
    assert two.get(digest).read_bytes() == DATA
    assert log.warnings == []


def test_lookup_downloads_a_file_only_when_it_is_used(machine):
    machine("one").add_bytes(DATA)
    two = machine("two", lookup_only=True)
    assert two.has(DIGEST)
    assert (two.size(DIGEST), two.size("0" * 64)) == (len(DATA), 0)
    assert not two.path(DIGEST).exists()
    assert two.local_path(DIGEST).read_bytes() == DATA
    assert not two.has("0" * 64)


def test_records_of_another_key_and_of_this_machine_alone_are_not_used(machine, monkeypatch, log):
    machine("one").put_record("go", "recipe", ["other key"])
    machine("one").put_record("build", "recipe", ["history of a machine"])
    assert machine("two").get_record("build", "recipe") is None
    monkeypatch.setenv(VARIABLE, "secret of somebody else")
    assert machine("three").get_record("go", "recipe") is None
    assert log.warnings == []


def test_remote_file_with_other_bytes_is_reported_and_made_locally(machine, storage, tmp_path, log):
    write(storage, OBJECT, b"other bytes", tmp_path)
    store = machine("one")
    assert not store.has(DIGEST)
    with pytest.raises(DigestError, match="is missing from the store"):
        store.get(DIGEST, "kubelet")
    assert store.add_bytes(DATA) == DIGEST
    assert store.get(DIGEST).read_bytes() == DATA
    (warning,) = log.warnings
    assert f"{storage.location}/{OBJECT}: its sha256 is {hashlib.sha256(b'other bytes').hexdigest()[:12]}…" in warning


def test_forged_record_is_reported_and_ignored(machine, storage, tmp_path, log):
    machine("one").put_record("go", "recipe", ["good"])
    (record,) = (tmp_path / "one/memory/go").iterdir()
    sealed = json.loads(record.read_text())
    for name, value in (("checked", sealed), ("go", {**sealed, "value": ["forged"]})):
        purpose = f"{name}/{hashlib.sha256(b'new').hexdigest()}"
        path = f"records/{key_name()}/{purpose}.json"
        write(storage, path, json.dumps(value).encode(), tmp_path)
        assert machine(f"machine-{name}").get_record(name, "new") is None
    assert ["damaged or forged" in warning for warning in log.warnings] == [True, True]


def test_remote_files_are_never_replaced(storage, tmp_path):
    write(storage, OBJECT, b"first", tmp_path)
    write(storage, OBJECT, b"second", tmp_path)
    storage.download(OBJECT, tmp_path / "copy", 1000)
    assert (tmp_path / "copy").read_bytes() == b"first"


def test_endless_file_is_read_up_to_a_limit(machine, monkeypatch, log):
    machine("one").add_bytes(DATA)
    monkeypatch.setattr(shared_store, "MAX_SIZE", 1000)
    assert not machine("two").has(DIGEST)
    assert OBJECT in log.warnings[0]


@pytest.fixture
def read_only_keys(bucket: str, server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give the environment keys that may read buckets, and nothing else."""
    import boto3

    client = boto3.client(
        *("iam", "us-east-1"), endpoint_url=server, aws_access_key_id=buckets.USER, aws_secret_access_key=buckets.SECRET
    )
    client.create_user(UserName="reader")
    statement = {"Effect": "Allow", "Action": ["s3:Get*", "s3:List*"], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client.put_user_policy(UserName="reader", PolicyName="read", PolicyDocument=policy)
    key = client.create_access_key(UserName="reader")["AccessKey"]

    def become_reader() -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        requests.post(f"{server}/moto-api/reset-auth", data="0", timeout=60).raise_for_status()

    yield become_reader
    requests.post(f"{server}/moto-api/reset-auth", data="inf", timeout=60).raise_for_status()


@pytest.mark.parametrize("location_kind", ["moto"], indirect=True)
def test_remote_that_may_only_be_read_is_read(machine, read_only_keys, log):
    machine("one").add_bytes(DATA)
    read_only_keys()
    two = machine("two")
    assert two.get(DIGEST).read_bytes() == DATA
    for data in (b"more", b"and more"):
        assert two.has(two.add_bytes(data))
    assert log.warnings == []
    ((label, text),) = log.messages
    assert label == "Cache"
    assert "The remote is only read" in text
    assert "access denied" in text


@pytest.mark.parametrize("location_kind", ["folder"], indirect=True)
def test_remote_that_cannot_be_reached_is_reported_once(machine, tmp_path, log):
    (tmp_path / "remote").rmdir()
    store = machine("one")
    assert store.get_record("go", "recipe") is None
    assert store.has(store.add_bytes(DATA))
    (warning,) = log.warnings
    assert f"The remote cache {tmp_path}/remote does not exist.\n  Create the folder, or mount it." in warning


def test_other_urls_are_rejected(tmp_path):
    with pytest.raises(ConfigurationError, match="cache"):
        open_remote("https://user:secret@cache.example/x", tmp_path)
