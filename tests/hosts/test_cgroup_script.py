"""The script that adapts a node to a machine with cgroup v1, cgroup v2 or both."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kubeparcel import paths

SCRIPT = (paths.template_dir() / "hosts/cgroup-v1.sh").read_text("utf-8")


def run_script(root: Path, mounts: str = "") -> str:
    """Run the script on a folder instead of /sys/fs/cgroup and return its output."""
    (root / "mountinfo").write_text(mounts)
    text = SCRIPT.replace("/sys/fs/cgroup", str(root)).replace("/proc/self/mountinfo", str(root / "mountinfo"))
    text = f"umount() {{ echo umount $* >>{root}/umounted; }}\n{text}"
    completed = subprocess.run(["sh", "-euc", text], capture_output=True, text=True, check=True)
    return completed.stdout


def test_with_cgroup_v2_nothing_is_changed(tmp_path):
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    (tmp_path / "system.slice").mkdir()
    assert run_script(tmp_path) == ""
    assert not (tmp_path / "system.slice/kubelet").exists()


@pytest.mark.parametrize("twice", [False, True])
def test_with_cgroup_v1_each_controller_gets_a_folder_and_a_second_mount_is_removed(tmp_path, twice):
    for name in ("cpu", "memory", "systemd", "unified"):
        (tmp_path / name).mkdir()
    line = f"1 2 0:3 / {tmp_path}/systemd rw - cgroup cgroup rw\n"
    output = run_script(tmp_path, line * (2 if twice else 1))
    roots = {path.parent.name for path in tmp_path.glob("*/kubelet")}
    assert roots == {"cpu", "memory", "systemd"}
    assert "cgroup v1" in output
    assert ("Removed the second mount" in output) is twice
    assert (tmp_path / "umounted").exists() is twice
