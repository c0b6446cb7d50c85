"""kubeparcel.lock: written, and read again."""

import dataclasses

import pytest

from kubeparcel.build.lock import lockfile
from kubeparcel.build.lock.lockfile import dump
from kubeparcel.errors import DiskError
from kubeparcel.model import Arch
from tests.build.lock.conftest import FROM_GO, GO_LOCK, SIGNATURE, with_kubelet
from tests.support.fake_sources import locked
from tests.support.one_release import read_lock, write_lock


def test_dump_writes_request_versions_and_digests():
    assert dump(GO_LOCK) == FROM_GO


def test_read_accepts_an_existing_file(path):
    path.write_text(FROM_GO)
    assert read_lock(path) == GO_LOCK


@pytest.mark.parametrize(
    "lock",
    [
        locked(),
        locked("1.37.0-rc.1", arches=tuple(Arch), source="upstream"),
        GO_LOCK,
        with_kubelet(locked(), signature=SIGNATURE, checksum="sha512"),
        with_kubelet(locked(), signature=dataclasses.replace(SIGNATURE, time=0)),
    ],
    ids=["one architecture", "all of them", "from Go", "signed", "signed without a time"],
)
def test_read_returns_the_written_lock(path, lock):
    write_lock(lock, path)
    assert read_lock(path) == lock
    assert path.read_text() == dump(lock)


def test_equal_locks_give_equal_text_in_any_time_zone(path, monkeypatch):
    write_lock(locked(), path)
    first = path.read_bytes()
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    write_lock(read_lock(path), path)
    assert path.read_bytes() == first


def test_warnings_are_not_written():
    warned = dataclasses.replace(locked(), warnings=("cri-tools 1.37 is not out",))
    assert dump(warned) == dump(locked())
    assert warned == locked()


def test_mirror_is_not_written():
    assert "mirror" not in dump(locked(mirror="https://mirror.example"))


def test_read_returns_none_if_the_file_is_missing(path):
    assert read_lock(path) is None


def test_failed_write_leaves_no_partial_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError):
        write_lock(locked(), tmp_path / "file" / "kubeparcel.lock")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_file_name_is_kubeparcel_lock():
    assert lockfile.NAME == "kubeparcel.lock"


def test_signer_and_checksum_are_written(path):
    write_lock(with_kubelet(locked(), signature=SIGNATURE, checksum="sha512"), path)
    assert (
        "      checksum: sha512\n"
        "      signature:\n"
        "        identity: signer@example.org\n"
        "        issuer: https://accounts.example.org\n"
        "        log-index: 123\n"
        "        time: '2026-07-22T18:07:38+00:00'\n"
    ) in path.read_text()
