"""Reading packages of any format: detection of the format, and several packages at a time."""

from __future__ import annotations

import gc
import mmap
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from kubeparcel.model import Format
from kubeparcel.packages import inspection, reader
from kubeparcel.packages.errors import BrokenPackage
from tests.packages.conftest import read
from tests.support.archive_builders import File, deb, member, rpm, tar


@pytest.fixture
def both(tmp_path: Path) -> list[Path]:
    """Return a deb and an rpm whose names have no suffix."""
    files = [tmp_path / "one", tmp_path / "two"]
    files[0].write_bytes(deb(member("./usr/a", b"x\n")))
    files[1].write_bytes(rpm(File("/usr/a")))
    return files


def test_the_format_is_detected_by_the_first_bytes(both):
    assert [package.format for package in reader.read_packages(both)] == [Format.DEB, Format.RPM]


def test_packages_are_returned_in_the_order_of_their_paths(both):
    many = both * 10
    assert [package.file for package in reader.read_packages(many, workers=3)] == many


def test_reading_no_packages_returns_an_empty_list():
    assert reader.read_packages([]) == []


def test_one_broken_package_among_many_is_named(both, tmp_path):
    bad = tmp_path / "bad"
    bad.write_bytes(both[0].read_bytes()[:-100])
    with pytest.raises(BrokenPackage, match=str(bad)):
        reader.read_packages([*both, bad])


def test_entries_are_sorted_and_the_same_in_both_formats(nfpm):
    files = {"/usr/b": "b\n", "/etc/z": "z\n", "/usr/a/c": "c\n"}
    packages = [reader.read_package(nfpm(packager, files)) for packager in ("deb", "rpm")]
    facts = [[(e.path, e.sha256, e.mode) for e in p.entries if e.sha256] for p in packages]
    assert facts[0] == facts[1] == sorted(facts[0])


def test_contents_can_be_pickled(both):
    for package in reader.read_packages(both):
        assert pickle.loads(pickle.dumps(package)) == package


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


def test_a_payload_is_not_kept_in_memory(nfpm):
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


READ_AND_MEASURE = """
import sys
from pathlib import Path
from kubeparcel.packages import limits, reader
from tests.support.memory import peak_megabytes
limits.adjust({"KUBEPARCEL_LIMIT_COMPRESSION_RATIO": "1M"})
reader.read_package(Path(sys.argv[1]))
before = peak_megabytes()
entries = reader.read_package(Path(sys.argv[2])).entries
print(len(entries), peak_megabytes() - before)
"""


@pytest.mark.parametrize("head", [b"", b"\x7fELF"], ids=["data", "binary"])
def test_a_file_of_any_size_is_read_in_constant_memory(tmp_path, head):
    large = tar(member("./usr/large", head + bytes(200 << 20)))
    (tmp_path / "large").write_bytes(deb(payload=("data.tar.zst", zstandard.compress(large, 1))))
    (tmp_path / "small").write_bytes(deb(payload=("data.tar.zst", zstandard.compress(tar(member("./a")), 1))))
    command = [sys.executable, "-c", READ_AND_MEASURE, tmp_path / "small", tmp_path / "large"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    entries, megabytes = map(float, output.split())
    assert entries == 1
    assert megabytes < 24


def test_a_binary_in_a_temporary_file_has_the_same_facts(nfpm, monkeypatch):
    program = Path("/bin/ls").read_bytes()
    files = [nfpm(packager, {"/usr/bin/ls": program}) for packager in ("deb", "rpm")]
    expected = [reader.read_package(file) for file in files]
    monkeypatch.setattr(inspection, "_IN_MEMORY", 1000)
    assert [reader.read_package(file) for file in files] == expected
    assert expected[0].entry("/usr/bin/ls").elf


def test_data_of_small_files_is_kept_up_to_a_total_but_that_of_configuration_always(tmp_path, monkeypatch):
    monkeypatch.setattr(inspection, "_KEPT_TOTAL", 3)
    paths = ("usr/a", "usr/b", "etc/c", "usr/lib/systemd/system/d.service", "usr/share/doc/e/provenance.json")
    package = read(tmp_path, deb(*(member(f"./{path}", b"12") for path in paths)))
    entries = {entry.path[1:]: entry.data for entry in package.entries}
    assert entries == dict.fromkeys(paths, b"12") | {"usr/b": None}


def test_of_very_many_faults_the_first_are_listed(tmp_path):
    files = [File(f"/{number}", digest="0" * 64) for number in range(250)]
    faults = read(tmp_path, rpm(*files)).faults
    assert len(faults) == 101
    assert faults[-1] == "and 150 more faults"
