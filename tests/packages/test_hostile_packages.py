"""Broken and hostile files: an error that names the file, or a fault; nothing else, no harm."""

from __future__ import annotations

import gzip
import random
import tarfile
from pathlib import Path

import pytest
import zstandard

from kubeparcel.errors import CheckFailed, DiskError
from kubeparcel.packages import limits, reader
from kubeparcel.packages.errors import BrokenPackage
from kubeparcel.packages.model import FileType
from tests.packages.conftest import read
from tests.support.archive_builders import CONTROL, File, ar, cpio, deb, member, rpm, tar


def broken(folder: Path, data: bytes) -> str:
    """Return the message of the error for these bytes."""
    with pytest.raises(BrokenPackage) as caught:
        read(folder, data)
    assert str(folder / "package") in caught.value.message
    assert caught.value.hint
    return caught.value.message


def noticed(folder: Path, data: bytes | bytearray) -> bool:
    """Return whether there is an error or a fault."""
    try:
        return bool(read(folder, bytes(data)).faults)
    except BrokenPackage:
        return True


def test_a_text_file_named_deb_is_not_a_package(tmp_path):
    file = tmp_path / "a.deb"
    file.write_text("404 not found\n")
    with pytest.raises(CheckFailed, match="neither a deb nor an rpm"):
        reader.read_package(file)


def negative_size() -> bytes:
    """Return the header of a tar member whose size is negative, with a valid checksum."""
    head = bytearray(member("./a"))
    head[124:136] = b"\xff" * 10 + b"\xfe\x00"
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


def billions_of_values() -> bytes:
    """Return an rpm whose header claims 2³² - 1 values of one tag."""
    data = bytearray(rpm(File("/a")))
    entry = data.index(b"\x00\x00\x04\x06\x00\x00\x00\x03")
    data[entry + 12 : entry + 16] = b"\xff" * 4
    return bytes(data)


DAMAGED_MEMBER = member("./b", b"b").replace(b"ustar", b"USTAR").replace(b"0000644", b"9999999")
BROKEN = {
    "empty file": (b"", "neither a deb nor an rpm"),
    "ar archive of other members": (ar(("hello.o", b"")), "its first members are"),
    "ar member without its end marker": (deb().replace(b"`\n", b"``", 1), "damaged at byte 8"),
    "unknown format of a deb": (deb().replace(b"2.0\n", b"3.0\n"), "format version b'3.0"),
    "unsupported compression": (deb(payload=("data.tar.br", tar())), "data.tar.br"),
    "wrong compression": (deb(payload=("data.tar.xz", tar())), "data.tar.xz"),
    "no version": (deb(control={"control": CONTROL.replace("Version: 1.0-1\n", "")}), "has no Version"),
    "tar member of negative size": (deb(negative_size()), ""),
    "damaged tar member after a good one": (deb(member("./a", b"a"), DAMAGED_MEMBER), "damaged at byte"),
    "tar without its end": (deb(payload=("data.tar", member("./a", b"a"))), "truncated at its end"),
    "payload that is no cpio archive": (rpm(payload=gzip.compress(b"x" * 200)), "not a cpio archive"),
    "payload of another format": (rpm(values={1124: "tar"}), "not cpio"),
    "cpio number with a sign": (
        rpm(payload=gzip.compress(cpio(File("/a")).replace(b"00000002", b"-0000002", 1))),
        "damaged at byte 0",
    ),
    "header lists of different lengths": (rpm(File("/a"), File("/b"), values={1039: ["root"]}), ""),
    "header with billions of values": (billions_of_values(), ""),
}


@pytest.mark.parametrize(("data", "problem"), BROKEN.values(), ids=BROKEN)
def test_a_broken_package_is_an_error_with_the_problem(tmp_path, data, problem):
    assert problem in broken(tmp_path, data)


FAULTS = {
    "unexpected archive member": (
        deb(more=[("data.tar.gz", b"")]),
        "unexpected archive member 'data.tar.gz' after the payload",
    ),
    "unprintable path": (deb(member("./a\nb", b"x")), r"the member './a\nb' contains unprintable characters"),
    "path twice": (deb(member("./a", b"1"), member("./a", b"2")), "the archive has the member './a' twice"),
    "hard link to a missing file": (
        deb(member("./b", kind=tarfile.LNKTYPE, linkname="./a")),
        "/b: hard link to /a, which does not precede it",
    ),
    "other size in the header": (rpm(File("/a", size=9)), "/a: 9 bytes in the header, 2 in the payload"),
    "other mode in the header": (
        rpm(File("/a", header_mode=0o104755)),
        "/a: mode 104755 in the header, 100644 in the payload",
    ),
    "other target in the header": (
        rpm(File("/a", b"b", 0o120777, header_target="c")),
        "/a: its target is c in the header, b in the payload",
    ),
}


@pytest.mark.parametrize(("data", "fault"), FAULTS.values(), ids=FAULTS)
def test_what_a_reader_could_misunderstand_is_a_fault(tmp_path, data, fault):
    assert read(tmp_path, data).faults == (fault,)


def test_a_path_that_an_rpm_has_twice_is_a_fault(tmp_path):
    assert "the archive has the member './a' twice" in read(tmp_path, rpm(File("/a"), File("/a"))).faults


def test_a_missing_file_is_reported_as_missing(tmp_path):
    with pytest.raises(DiskError, match="No such file"):
        reader.read_package(tmp_path / "a.deb")


@pytest.mark.parametrize("packager", ["deb", "rpm"])
@pytest.mark.parametrize("compression", ["gzip", "xz", "zstd"])
def test_a_truncated_package_is_broken(nfpm, tmp_path, packager, compression):
    files = {"/usr/a": "a\n" * 999, "/usr/b": bytes(range(256))}
    whole = nfpm(packager, files, **{packager: {"compression": compression}}).read_bytes()
    for length in {*range(12, len(whole) - 1, len(whole) // 40), len(whole) - 2}:
        broken(tmp_path, whole[:length])


def test_a_changed_byte_in_a_plain_payload_is_a_fault(nfpm, tmp_path):
    data = nfpm("deb", {"/usr/a": "a text\n"}, deb={"compression": "none"}).read_bytes()
    (fault,) = read(tmp_path, data.replace(b"a text\n", b"a test\n")).faults
    assert fault.startswith("/usr/a: its MD5 in md5sums is ")


@pytest.mark.parametrize("compression", ["gzip", "xz", "zstd"])
def test_a_changed_byte_in_a_compressed_payload_is_noticed(nfpm, tmp_path, compression):
    files = {"/usr/a": random.Random(1).randbytes(9000)}
    data = bytearray(nfpm("deb", files, deb={"compression": compression}).read_bytes())
    data[-5000] ^= 1
    assert noticed(tmp_path, data)


@pytest.mark.parametrize("compression", ["gzip", "xz", "zstd", "lzma"])
def test_a_changed_byte_anywhere_in_an_rpm_is_noticed(nfpm, tmp_path, compression):
    whole = nfpm("rpm", {"/usr/a": bytes(range(256))}, rpm={"compression": compression})
    good = whole.read_bytes()
    start = good.index(b"\x8e\xad\xe8\x01", 100)
    for place in range(start + 4, len(good), 17):
        data = bytearray(good)
        data[place] ^= 1
        assert noticed(tmp_path, data), place


@pytest.mark.parametrize("name", ["../../etc/passwd", "./a/../../b", "/etc/passwd", "./a//b"])
def test_paths_that_are_not_plain_and_relative_are_faults(tmp_path, name):
    in_tar = read(tmp_path, deb(member(name, b"x")))
    assert in_tar.faults == (f"the member {name!r} is not a plain relative path",)
    in_cpio = read(tmp_path, rpm(File(f"/{name.strip('./')}", name=name)))
    assert f"the member {name!r} is not a plain relative path" in in_cpio.faults


@pytest.mark.parametrize(
    ("tar_type", "mode", "kind"),
    [
        (tarfile.CHRTYPE, 0o020644, FileType.CHARACTER_DEVICE),
        (tarfile.BLKTYPE, 0o060644, FileType.BLOCK_DEVICE),
        (tarfile.FIFOTYPE, 0o010644, FileType.FIFO),
    ],
)
def test_devices_and_pipes_have_their_file_type(tmp_path, tar_type, mode, kind):
    assert read(tmp_path, deb(member("./a", kind=tar_type))).entries[0].kind is kind
    assert read(tmp_path, rpm(File("/a", b"", mode=mode))).entries[0].kind is kind


def test_zstd_frames_are_counted(tmp_path):
    whole = tar(member("./a", b"a"))
    pieces = [zstandard.compress(whole[:600]), zstandard.compress(whole[600:])]
    skippable = b"\x50\x2a\x4d\x18\x02\x00\x00\x00ab"
    package = read(tmp_path, deb(payload=("data.tar.zst", skippable.join(pieces))))
    assert package.zstd_frames == 2
    assert package.entry("/a")


def test_a_payload_above_the_limit_is_rejected(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "_adjusted", {limits.UNPACKED.name: 1 << 20})
    bomb = gzip.compress(bytes(1 << 21))
    assert "above the limit unpacked-size" in broken(tmp_path, deb(payload=("data.tar.gz", bomb)))


def test_a_file_digest_that_differs_from_the_header_is_a_fault(tmp_path):
    package = read(tmp_path, rpm(File("/a", digest="0" * 64)))
    (fault,) = package.faults
    assert fault.startswith(f"/a: its digest in FILEDIGESTS is {'0' * 64}, in the payload ")
    assert "FILEDIGESTS" not in package.verified


def test_files_in_only_header_or_payload_are_faults(tmp_path):
    package = read(tmp_path, rpm(File("/a"), listed=[File("/b")]))
    assert package.faults == (
        "/b: in the header, but not in the payload",
        "/a is in the payload, but not in the header",
    )
    assert [entry.path for entry in package.entries] == ["/a", "/b"]


def test_sizes_and_digests_of_the_whole_package_are_compared(tmp_path):
    package = read(tmp_path, rpm(File("/a"), values={5092: ["0" * 64], 5093: [8]}))
    (fault,) = package.faults
    assert fault.startswith("PAYLOADDIGEST is 0000")
    assert package.verified == ("SIGSIZE", "FILEDIGESTS")
