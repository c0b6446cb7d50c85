"""The tar reader of debs, next to Python's own for archives of each format."""

from __future__ import annotations

import io
import tarfile

import pytest

from kubeparcel.packages import limits, tar
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.payload_stream import FileSection, open_payload
from tests.support.archive_builders import member
from tests.support.archive_builders import tar as tar_of

MEMBERS = (
    ("./a", b"data", tarfile.REGTYPE, ""),
    ("./empty", b"", tarfile.REGTYPE, ""),
    ("./folder/", b"", tarfile.DIRTYPE, ""),
    ("./block", bytes(512), tarfile.REGTYPE, ""),
    ("./" + "long/" * 40 + "name", b"x" * 700, tarfile.REGTYPE, ""),
    ("./größe-" + "ß" * 90, b"y", tarfile.REGTYPE, ""),
    ("./link", b"", tarfile.SYMTYPE, "../" * 60 + "target"),
    ("./hard", b"", tarfile.LNKTYPE, "./a"),
    ("./device", b"", tarfile.CHRTYPE, ""),
    ("./last", b"end", tarfile.REGTYPE, ""),
)


def archive(format_: int) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=format_) as target:
        for number, (name, data, kind, link) in enumerate(MEMBERS):
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(data), kind, link
            info.mode, info.mtime, info.uid, info.uname = 0o4755, 1_700_000_000 + number, number, "me" * (number % 2)
            if format_ != tarfile.USTAR_FORMAT:
                info.uid, info.gid = 2_500_000 + number, 3_000_000
            target.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def read(data: bytes) -> list[tuple[tar.TarMember, bytes]]:
    stream = open_payload(FileSection(io.BytesIO(data), 0, len(data)), "none", "data.tar", limits.UNPACKED)
    return [(m, b"".join(map(bytes, stream.blocks(m.size, m.name)))) for m in tar.members(stream)]


@pytest.mark.parametrize("format_", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_equal_those_that_python_reads(format_):
    data = archive(format_)
    with tarfile.open(fileobj=io.BytesIO(data)) as source:
        infos = source.getmembers()
        contents = [source.extractfile(i).read() if i.isreg() else b"" for i in infos]
    expected = [(i.name, i.linkname, i.mode, i.mtime, i.uname or str(i.uid), i.gname or str(i.gid)) for i in infos]
    actual = [(m.name, m.target, m.mode, m.mtime, m.owner, m.group) for m, _ in read(data)]
    assert actual == expected
    assert [content for _, content in read(data)] == contents == [data for _, data, _, _ in MEMBERS]


def test_names_in_two_parts_are_joined():
    name = "./" + "d" * 90 + "/" + "f" * 90
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as target:
        target.addfile(tarfile.TarInfo(name))
    assert [m.name for m, _ in read(stream.getvalue())] == [name]


def test_records_of_one_member_do_not_apply_to_the_next():
    records = member("x", b"15 uname=other\n", tarfile.XHDTYPE)
    everywhere = member("g", b"15 gname=other\n", tarfile.XGLTYPE)
    members = [m for m, _ in read(tar_of(everywhere, records, member("./a"), member("./b")))]
    assert [(m.owner, m.group) for m in members] == [("other", "root"), ("root", "root")]


@pytest.mark.parametrize(
    "records", [b"99 path=a\n", b"0 path=a\n", b"path=a\n", b"-9 path=a\n", b"2 " * 30_000 + b"=", b"9 size=-1\n"]
)
def test_damaged_records_are_malformed(records):
    with pytest.raises(MalformedData):
        read(tar_of(member("x", records, tarfile.XHDTYPE), member("./a", b"a")))


def test_a_header_with_another_checksum_is_damaged():
    with pytest.raises(MalformedData, match="damaged at byte 1,024"):
        read(tar_of(member("./a", b"a"), member("./b").replace(b"root", b"rooT", 1)))
