"""Packages are found by path, and nothing that cannot be read is taken for empty."""

from __future__ import annotations

import errno
import os

import pytest

from kubeparcel.errors import DiskError
from kubeparcel.packages.find import find_package_files


def test_unreadable_folder_is_not_an_empty_one(tmp_path, monkeypatch):
    """Root reads every folder, so the refusal comes from the test."""
    (tmp_path / "a").mkdir()
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("/a"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DiskError, match=r"/a: Permission denied\."):
        find_package_files([tmp_path])
