"""Inputs above each limit are rejected, and the error names the limit."""

from __future__ import annotations

import gzip
import os
import tarfile
from collections.abc import Iterator

import pytest

from kubeparcel.errors import ArchiveError, ConfigurationError, DownloadError
from kubeparcel.packages import limits, reader
from kubeparcel.packages.errors import BrokenPackage, MalformedData
from kubeparcel.packages.inspection import FileInspector
from tests.packages.conftest import read
from tests.packages.limit_cases import CASES, LARGE_WINDOW, SMALLER, TABLE, ZSTD_LARGE_WINDOW
from tests.support.archive_builders import File, cpio, deb, member, rpm


@pytest.fixture(autouse=True)
def default_limits() -> Iterator[None]:
    """Leave no limit changed."""
    yield
    limits.adjust({})


def test_every_limit_has_a_case_and_a_reason():
    assert {*CASES} == {*TABLE}
    assert all(row.reason and row.default > 0 for row in TABLE.values())
    assert len({row.name for row in TABLE.values()}) == len(TABLE)


@pytest.mark.parametrize("name", [*CASES])
def test_input_above_a_limit_is_an_error_that_names_it(name, tmp_path):
    if name in SMALLER:
        limits.adjust({TABLE[name].variable: str(SMALLER[name])})
    with pytest.raises(
        (MalformedData, BrokenPackage, DownloadError, ArchiveError), match=f"above the limit {TABLE[name].name} of "
    ) as error:
        CASES[name](tmp_path)
    assert f"({TABLE[name].variable} raises it)" in str(error.value)


@pytest.mark.parametrize(
    "data",
    [
        deb(payload=("data.tar.zst", ZSTD_LARGE_WINDOW)),
        rpm(File("/a"), payload=ZSTD_LARGE_WINDOW, values={1125: "zstd"}),
        rpm(File("/a"), payload=LARGE_WINDOW, values={1125: "lzma"}),
    ],
)
def test_a_window_above_the_limit_is_rejected_in_every_compression(data, tmp_path):
    with pytest.raises(BrokenPackage, match="above the limit window-size of "):
        read(tmp_path, data)


MANY_RELATIONS = {
    tag: [value] * 60_000
    for tags, value in (((1047, 1049), "a"), ((1048, 1112), 0), ((1050, 1113), ""))  # names, flags, versions
    for tag in tags
}


@pytest.mark.parametrize(
    ("data", "limit"),
    [
        (deb(control=dict.fromkeys(("postinst", "prerm"), "#" * (100 << 10))), "scriptlet-size"),
        (rpm(File("/a"), values=dict.fromkeys((1023, 1024), "#" * (100 << 10))), "scriptlet-size"),
        (rpm(File("/a"), values=MANY_RELATIONS), "header-values"),
        (deb(*[member("x", b"9 a=bcde\n" * 5000, tarfile.XHDTYPE)] * 2, member("./a")), "extended-header-size"),
    ],
)
def test_parts_that_belong_together_have_one_limit(data, limit, tmp_path):
    with pytest.raises(BrokenPackage, match=f"above the limit {limit} of "):
        read(tmp_path, data)


def test_a_raised_limit_is_in_effect(tmp_path):
    limits.adjust({"KUBEPARCEL_LIMIT_SCRIPTLET_SIZE": "1M"})
    CASES["SCRIPTLET"](tmp_path)


@pytest.mark.parametrize("value", ["", "many", "-1", "0", "1.5G", "²", "9" * 5000])
def test_a_limit_that_is_not_a_number_is_an_error(value):
    with pytest.raises(ConfigurationError, match=r"^KUBEPARCEL_LIMIT_MEMBERS is .*, expected a number of members\."):
        limits.adjust({"KUBEPARCEL_LIMIT_MEMBERS": value})


def test_a_pipe_is_not_a_package(tmp_path):
    os.mkfifo(tmp_path / "a.deb")
    with pytest.raises(BrokenPackage, match="not a regular file"):
        reader.read_package(tmp_path / "a.deb")


def test_hard_links_of_a_file_are_inspected_once(tmp_path, monkeypatch):
    calls = []
    inspect = FileInspector.inspect
    monkeypatch.setattr(FileInspector, "inspect", lambda *args: calls.append(args) or inspect(*args))
    links = (member(f"./{n}", kind=tarfile.LNKTYPE, linkname="./a") for n in range(50))
    package = read(tmp_path, deb(member("./a", b"x\n"), *links))
    assert len({entry.sha256 for entry in package.entries}) == 1
    assert len(package.entries) == 51
    assert len(calls) == 1


def test_cpio_is_still_read_at_the_limit(tmp_path):
    limits.adjust({limits.MEMBERS.variable: "2"})
    files = (File("/a"), File("/b"))
    assert len(read(tmp_path, rpm(*files, payload=gzip.compress(cpio(*files)))).entries) == 2
