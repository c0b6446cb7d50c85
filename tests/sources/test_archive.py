"""Archives: their programs, and hostile or damaged ones."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import tarfile

import pytest
import zstandard

from kubeparcel.errors import ArchiveError, DigestError
from kubeparcel.model import Arch, Version
from kubeparcel.packages import limits
from kubeparcel.sources import archive
from tests.support.archive_builders import tar_archive
from tests.support.elf_files import elf_bytes


def with_member(info: tarfile.TarInfo, data: bytes = b"") -> bytes:
    """Return an archive with a valid program, followed by this member."""
    target = io.BytesIO()
    good = elf_bytes(100)
    with tarfile.open(fileobj=target, mode="w") as tar:
        first = tarfile.TarInfo("good")
        first.size = len(good)
        tar.addfile(first, io.BytesIO(good))
        tar.addfile(info, io.BytesIO(data))
    return target.getvalue()


def test_programs_are_the_elf_files_of_any_owner(store):
    bridge, loopback = elf_bytes(), elf_bytes()
    members = {"./bridge": bridge, "./loopback": loopback, "./LICENSE": b"x", "./README.md": b""}
    programs = archive.unpack_programs(store, store.add_bytes(tar_archive(members)), "cni amd64")
    assert {name: store.path(sha256).read_bytes() for name, sha256 in programs.items()} == {
        "bridge": bridge,
        "loopback": loopback,
    }


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress, zstandard.compress, bytes])
def test_compression_is_detected_by_content(store, pack):
    program = elf_bytes()
    programs = archive.unpack_programs(store, store.add_bytes(pack(tar_archive({"crictl": program}, "w"))), "x")
    assert programs == {"crictl": hashlib.sha256(program).hexdigest()}


def test_archive_is_unpacked_once(store):
    digest = store.add_bytes(tar_archive({"crictl": elf_bytes()}))
    programs = archive.unpack_programs(store, digest, "x")
    store.path(digest).unlink()
    assert archive.cached_programs(store, digest) == programs
    store.path(programs["crictl"]).unlink()
    assert archive.cached_programs(store, digest) is None


def test_archive_that_was_replaced_in_the_store_is_not_unpacked(store):
    digest = store.add_bytes(tar_archive({"crictl": elf_bytes()}))
    store.path(digest).write_bytes(tar_archive({"crictl": elf_bytes()}))
    with pytest.raises(DigestError, match="x: the copy in the store is damaged"):
        archive.unpack_programs(store, digest, "x")
    assert archive.cached_programs(store, digest) is None


def test_other_programs_in_the_record_of_an_archive_are_not_used(store):
    """Somebody who can write to the cache puts another program into it, and its digest into the record."""
    digest = store.add_bytes(tar_archive({"crictl": elf_bytes()}))
    programs = archive.unpack_programs(store, digest, "x")
    other = store.add_bytes(elf_bytes())
    [record] = (store.root / "memory/archive").iterdir()
    text = record.read_text()
    for forged in (json.dumps({"crictl": other}), text.replace(programs["crictl"], other)):
        record.write_text(forged)
        assert archive.cached_programs(store, digest) is None


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


BAD = {
    "outside": (member("../../etc/passwd"), "not a plain relative path"),
    "absolute": (member("/etc/passwd"), "not a plain relative path"),
    "symbolic link": (member("kubelet", tarfile.SYMTYPE, "/etc/passwd"), "not a regular file or folder, but"),
    "hard link": (member("kubelet", tarfile.LNKTYPE, "good"), "not a regular file or folder, but"),
    "device": (member("null", tarfile.CHRTYPE), "not a regular file or folder, but"),
    "pipe": (member("pipe", tarfile.FIFOTYPE), "not a regular file or folder, but"),
    "twice": (member("./good"), "twice"),
    "sparse": (member("sparse", tarfile.GNUTYPE_SPARSE), "not a regular file or folder, but"),
    "long header": (member("x", tarfile.GNUTYPE_LONGNAME, size=2 << 20), "extended-header-size"),
}


@pytest.mark.parametrize("kind", BAD)
def test_hostile_member_is_rejected_and_nothing_is_stored(store, kind):
    info, message = BAD[kind]
    digest = store.add_bytes(with_member(info, bytes(info.size)))
    with pytest.raises(ArchiveError, match=f"^cni amd64: .*{message}"):
        archive.unpack_programs(store, digest, "cni amd64")
    assert [p.name for p in (store.root / "sha256").glob("*/*")] == [digest]
    assert not list((store.root / "scratch").iterdir())


@pytest.mark.parametrize(
    ("names", "problem"),
    [(("a/x", "b/x"), "named 'x'"), (("rm -rf *",), "named 'rm -rf"), ((), "contains no programs")],
)
def test_programs_without_a_usable_name_are_rejected(store, names, problem):
    digest = store.add_bytes(tar_archive({"README.md": b"x", **{name: elf_bytes() for name in names}}))
    with pytest.raises(ArchiveError, match=problem):
        archive.unpack_programs(store, digest, "x")


def test_decompression_bomb_is_rejected_before_it_fills_the_disk(store, monkeypatch):
    monkeypatch.setitem(limits._adjusted, "archive-size", 5_000_000)
    for bomb in ({"big": b"\x7fELF" + bytes(6_000_000)}, {"README": bytes(6_000_000), "a": elf_bytes()}):
        with pytest.raises(
            ArchiveError, match=r"x: the archive has .* bytes, above the limit archive-size of 5,000,000"
        ):
            archive.unpack_programs(store, store.add_bytes(tar_archive(bomb)), "x")


def test_too_many_members_are_rejected(store, monkeypatch):
    monkeypatch.setitem(limits._adjusted, "members", 3)
    with pytest.raises(ArchiveError, match="x: the archive has 4 members, above the limit members of 3 "):
        archive.unpack_programs(store, store.add_bytes(tar_archive({str(n): b"" for n in range(5)})), "x")


def broken_archives() -> dict[str, bytes]:
    complete = tar_archive({"crictl": elf_bytes(), "other": elf_bytes()})
    plain = tar_archive({"crictl": elf_bytes(), "other": elf_bytes()}, "w")
    second = 512 + 200_192
    return {
        "cut": complete[:-5000],
        "cut in the tar": gzip.compress(plain[:250_000]),
        "wrong checksum in a header": plain[: second + 148] + b"7" + plain[second + 149 :],
        "garbage": b"\x1f\x8b" + bytes(1000),
        "no archive": b"<html>" * 200,
        "empty": b"",
        "cut xz": lzma.compress(plain)[:-5000],
        "cut zstd": zstandard.compress(plain)[:-5000],
    }


@pytest.mark.parametrize("kind", broken_archives())
def test_damaged_archive_is_reported(store, kind):
    digest = store.add_bytes(broken_archives()[kind])
    with pytest.raises(ArchiveError, match=r"x: the archive (is damaged at|is truncated|cannot be decompressed)"):
        archive.unpack_programs(store, digest, "x")


def test_fetch_returns_the_programs_of_each_component(site, upstream, store, log):
    versions = {"kubernetes": "1.36.3", "cri-tools": "1.36.0", "cni": "1.9.1"}
    published = {c: site.publish_release(upstream, c, v) for c, v in versions.items()}
    pins = [upstream.pin(c, Version.parse(v), [Arch.AMD64]) for c, v in versions.items()]
    programs = upstream.fetch([a for pin in pins for a in pin.artifacts], store, log)
    assert {
        component: {name: store.path(sha256).read_bytes() for name, sha256 in programs.items()}
        for (component, _), programs in programs.items()
    } == published
    before = len(site.requests)
    assert upstream.fetch([a for pin in pins for a in pin.artifacts], store, log) == programs
    assert len(site.requests) == before


def test_archive_without_its_expected_program_is_rejected(site, upstream, store, log):
    version = Version.parse("1.36.0")
    [artifact] = upstream.artifacts("cri-tools", version, Arch.AMD64)
    site.publish_file(artifact.origin, tar_archive({"critest": elf_bytes()}))
    pinned = upstream.pin("cri-tools", version, [Arch.AMD64])
    with pytest.raises(ArchiveError, match="cri-tools amd64: the archive does not have crictl"):
        upstream.fetch(pinned.artifacts, store, log)
