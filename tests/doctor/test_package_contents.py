"""Package files as the doctor reads them: in one pass, whatever their headers claim."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kubeparcel.doctor import package_contents
from kubeparcel.doctor.package_contents import FileCheck, contents_faults, read_bytes
from kubeparcel.model import Format
from kubeparcel.packages import limits
from kubeparcel.packages.errors import LimitExceeded
from kubeparcel.repository.package import Package
from tests.support.archive_builders import CONTROL, File, deb, rpm

IDENTITY = {1000: "small", 1001: "1.0", 1002: "1", 1022: "x86_64", 1044: "a.src.rpm"}


def file_check(format_: Format, data: bytes) -> FileCheck:
    arch, version = ("amd64", "1.0-1") if format_ is Format.DEB else ("x86_64", "1.0-1")
    return FileCheck(Package(format_, "small", version, arch, "", len(data), "", "", "a"), "a", {"sha256": ""})


def blocks(data: bytes) -> Iterator[bytes]:
    return (data[start : start + 4096] for start in range(0, len(data), 4096))


@pytest.mark.parametrize("format_", Format)
def test_a_large_head_is_parsed_a_few_times(format_, monkeypatch):
    """Once for each block, a head of 16 MiB took minutes."""
    calls = []
    head_length = package_contents.HEAD_LENGTH[format_]
    monkeypatch.setitem(package_contents.HEAD_LENGTH, format_, lambda head: calls.append(1) or head_length(head))
    if format_ is Format.DEB:
        data = deb(control={"md5sums": "a" * (1 << 20)})
    else:
        data = rpm(File("/a"), values={**IDENTITY, 20_000: bytes(1 << 20)})
    check = file_check(format_, data)
    file = read_bytes(check, blocks(data))
    assert len(file.head) > 1 << 20
    assert len(calls) <= 4
    assert [*contents_faults(check, file)] == []


@pytest.mark.parametrize(
    ("format_", "data", "limit"),
    [
        (Format.DEB, deb(control={"triggers": "a" * (600 << 10)}), limits.CONTROL),
        (Format.DEB, deb(control={"control": CONTROL + " a\n" * (200 << 10)}), limits.CONTROL_FILE),
        (Format.RPM, rpm(File("/a"), values={**IDENTITY, 20_000: bytes(600 << 10)}), limits.HEADER_SIZE),
    ],
)
def test_a_head_above_a_limit_is_refused_with_its_name(format_, data, limit):
    check = file_check(format_, data)
    limits.adjust({limit.variable: "512K"})
    try:
        with pytest.raises(LimitExceeded, match=limit.variable):
            list(contents_faults(check, read_bytes(check, blocks(data))))
    finally:
        limits.adjust({})
