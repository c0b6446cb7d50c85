"""Results of inspections are cached by the digest of the inspected bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from kubeparcel.packages import elf, reader
from kubeparcel.packages.inspection import InspectionCache
from kubeparcel.store import DIGEST_CACHE_SIZE

PROGRAM = Path("/bin/ls").read_bytes()
LARGE = bytes(range(256)) * (DIGEST_CACHE_SIZE // 256)


def digest(algorithm: str, data: bytes) -> str:
    return hashlib.new(algorithm, data).hexdigest()


def test_a_binary_in_several_packages_is_inspected_once(nfpm, monkeypatch):
    files = [nfpm(packager, {"/usr/bin/ls": PROGRAM}) for packager in ("deb", "rpm")]
    sizes, read = [], elf.read
    monkeypatch.setattr(elf, "read", lambda data: sizes.append(len(data)) or read(data))
    cache = InspectionCache()
    facts = [reader.read_package(file, cache).entry("/usr/bin/ls").elf for file in files]
    assert sizes == [len(PROGRAM)]
    assert facts[0] == facts[1] == read(PROGRAM)


def test_a_cached_md5_is_requested_by_sha256(nfpm):
    file = nfpm("deb", {"/usr/bin/ls": PROGRAM, "/usr/share/other": "other"})
    digests: list[str] = []

    def md5_wrong_for_the_program(algorithm: str, sha256: str, data: memoryview) -> str:
        digests.append(sha256)
        return digest("md5", bytes(data) + b"?" * (len(data) == len(PROGRAM)))

    package = reader.read_package(file, InspectionCache(md5_wrong_for_the_program))
    assert {digest("sha256", PROGRAM), digest("sha256", b"other")} <= {*digests}
    (fault,) = package.faults
    assert fault.startswith("/usr/bin/ls: its MD5 in md5sums is")
    assert package.verified == ()


def test_the_md5_and_sha1_of_a_large_file_are_cached(store):
    sha256 = store.add_bytes(LARGE)
    store.cache_digests(sha256)
    for algorithm in ("md5", "sha1"):
        assert store.digest(algorithm, sha256, memoryview(LARGE)) == digest(algorithm, LARGE)
        store.put_record(algorithm, sha256, "as remembered")
        assert store.digest(algorithm, sha256, memoryview(LARGE)) == "as remembered"


def test_the_md5_of_a_small_file_is_not_cached(store):
    sha256 = store.add_bytes(b"small")
    store.cache_digests(sha256)
    assert store.get_record("md5", sha256) is None
    assert store.digest("md5", sha256, memoryview(b"small")) == digest("md5", b"small")
