"""Reading packages of any format: detection of the format, and several packages at a time."""

from __future__ import annotations

import gc
import gzip
import mmap
import pickle
from pathlib import Path

import pytest

from kubeparcel.model import Format
from kubeparcel.packages import limits, reader
from kubeparcel.packages.compression import decompress_payload
from kubeparcel.packages.errors import BrokenPackage
from tests.packages.conftest import Make
from tests.support.archive_builders import File, deb, member, rpm


@pytest.fixture
def both(tmp_path: Path) -> list[Path]:
    """Return a deb and an rpm whose names have no suffix."""
    files = [tmp_path / "one", tmp_path / "two"]
    files[0].write_bytes(deb(member("./usr/a", b"x\n")))
    files[1].write_bytes(rpm(File("/usr/a")))
    return files


def test_the_format_is_detected_by_the_first_bytes(both: list[Path]) -> None:
    assert [package.format for package in reader.read_packages(both)] == [Format.DEB, Format.RPM]


def test_packages_are_returned_in_the_order_of_their_paths(both: list[Path]) -> None:
    many = both * 10
    assert [package.file for package in reader.read_packages(many, workers=3)] == many


def test_reading_no_packages_returns_an_empty_list() -> None:
    assert reader.read_packages([]) == []


def test_one_broken_package_among_many_is_named(both: list[Path], tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(both[0].read_bytes()[:-100])
    with pytest.raises(BrokenPackage, match=str(bad)):
        reader.read_packages([*both, bad])


def test_entries_are_sorted_and_the_same_in_both_formats(nfpm: Make) -> None:
    files = {"/usr/b": "b\n", "/etc/z": "z\n", "/usr/a/c": "c\n"}
    packages = [reader.read_package(nfpm(packager, files)) for packager in ("deb", "rpm")]
    facts = [[(e.path, e.sha256, e.mode) for e in p.entries if e.sha256] for p in packages]
    assert facts[0] == facts[1] == sorted(facts[0])


def test_contents_can_be_pickled(both: list[Path]) -> None:
    for package in reader.read_packages(both):
        assert pickle.loads(pickle.dumps(package)) == package


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


def test_a_payload_is_not_kept_in_memory(nfpm: Make) -> None:
    program = Path("/bin/ls").read_bytes()
    file = nfpm("deb", {"/usr/bin/ls": program, "/usr/large": bytes(40 << 20)})
    reader.read_package(file)
    gc.disable()
    try:
        before = resident()
        package = reader.read_package(file)
        kept = resident() - before
    finally:
        gc.enable()
    assert package.entry("/usr/large")
    assert kept < 20 << 20
    payload = decompress_payload(memoryview(gzip.compress(bytes(40 << 20))), "gzip", "a payload", limits.UNPACKED)
    assert resident() - before > len(payload[0]) // 2
