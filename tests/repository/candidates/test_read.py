"""Reading the metadata of package files, also of hostile ones."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from kubeparcel.packages import limits
from kubeparcel.packages.errors import BrokenPackage
from kubeparcel.repository.candidates.read import read_files
from kubeparcel.repository.file_stamp import FileStamp
from tests.support.archive_builders import CONTROL, File, Value, deb, rpm

ROWS: Mapping[int, Value] = {1037: [0], 1030: [0o100644]}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({1117: ["a"], 1116: [5], 1118: ["/"]}, "has 1 directories, but files in number 5"),
        ({1117: ["a", "b"], 1116: [0], 1118: ["/"]}, "have different lengths"),
        ({1117: ["a"] * 9, 1116: [0] * 9, 1118: ["/" + "d" * 5000]}, "above the limit path-length"),
        ({1117: ["a"] * 9000, 1116: [0] * 9000, 1118: ["/" + "d" * 4000]}, "above the limit names-size"),
    ],
)
def test_an_rpm_with_invalid_paths_is_broken(values, message, tmp_path):
    file = tmp_path / "a.rpm"
    file.write_bytes(rpm(File("/a"), values={1044: "a.src.rpm", **ROWS, **values}))
    with pytest.raises(BrokenPackage, match=message):
        list(read_files([FileStamp.of(str(file), file.stat(), 0)]))


def test_an_entry_that_readers_of_the_index_would_reject_is_not_published(tmp_path):
    file = tmp_path / "a.deb"
    file.write_bytes(deb(control={"control": CONTROL + " and more\n" * 9000}))
    limits.adjust({limits.INDEX_ENTRY.variable: "64K"})
    try:
        with pytest.raises(BrokenPackage, match=r"its index entry has .* above the limit index-entry-size"):
            list(read_files([FileStamp.of(str(file), file.stat(), 0)]))
    finally:
        limits.adjust({})
