"""Packages have the same bytes wherever and whenever they are built."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.checkout import ROOT

BUILD = """
import os, sys
from pathlib import Path
from kubeparcel.store import Store
from tests.support.fake_sources import locked, stored
from tests.build.assembled import assembled, manifests
os.umask(int(sys.argv[2], 8))
store, lock = Store(Path(sys.argv[1])), locked("1.37.0-rc.1")
for package in assembled(manifests(lock, stored(lock.artifacts, store), store), store):
    print(package.sha256, package.manifest.file_name)
"""


def build_in_subprocess(folder: Path, umask: str, **env: str) -> str:
    """Return the digests of all packages, built in a new process in a folder."""
    folder.mkdir(parents=True)
    command = [sys.executable, "-c", BUILD, folder / "cache", umask]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}/packaging:{ROOT}", **env}
    process = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_equal_inputs_give_equal_bytes_in_another_environment(tmp_path):
    """With another path, umask, time zone, language, home and user name, and at a later time."""
    first = build_in_subprocess(tmp_path / "first", "022", TZ="UTC", LANG="C.UTF-8", LC_ALL="C.UTF-8")
    environment = {"TZ": "Asia/Kathmandu", "LANG": "tr_TR.UTF-8", "LC_ALL": "C", "HOME": "/nowhere"}
    second = build_in_subprocess(
        tmp_path / "a folder/ünïcode", "077", **environment, USER="nobody", HOSTNAME="elsewhere"
    )
    assert len(first.splitlines()) == 10
    assert second == first
