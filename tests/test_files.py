"""Files written at once, and the errors of the operating system about them."""

from __future__ import annotations

import errno

import pytest

from kubeparcel.errors import DiskError
from kubeparcel.files import atomic_write, translate_os_errors


def test_file_is_written_completely_or_not_at_all(tmp_path):
    target = tmp_path / "new" / "file"
    with pytest.raises(TypeError), atomic_write(target) as part:
        part.write_bytes("no bytes")
    assert list(target.parent.iterdir()) == []
    with atomic_write(target) as part:
        part.write_bytes(b"whole")
    assert target.read_bytes() == b"whole"


def test_only_errors_of_the_disk_become_disk_errors(tmp_path):
    with pytest.raises(FileNotFoundError), translate_os_errors(tmp_path):
        (tmp_path / "none").read_bytes()


def test_full_disk_is_reported_for_the_file_that_is_written(tmp_path):
    for code in (errno.ENOSPC, errno.EROFS):
        with pytest.raises(DiskError, match=r"^target:"), translate_os_errors(tmp_path):
            raise OSError(code, "full or read-only", "source", None, "target")
    with pytest.raises(DiskError, match=r"^source:"), translate_os_errors(tmp_path):
        raise OSError(errno.EIO, "I/O error", "source", None, "target")
