"""Machines with cgroups of version 1, of version 2, and of both: each gets what it needs only."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from kubeparcel import paths
from kubeparcel.verify.node_setup import kubelet_configuration

SCRIPT = (paths.template_dir() / "hosts/cgroup-v1.sh").read_text("utf-8")


@dataclass
class Box:
    """Stands for a container of a machine with cgroups of version 2, or not."""

    unified: bool

    def exists(self, path: str) -> bool:
        assert path == "/sys/fs/cgroup/cgroup.controllers"
        return self.unified


def mended(root: Path, mounts: str = "") -> str:
    """What the script says and does below a folder that stands for /sys/fs/cgroup."""
    (root / "mountinfo").write_text(mounts)
    text = SCRIPT.replace("/sys/fs/cgroup", str(root)).replace(
        "/proc/self/mountinfo", str(root / "mountinfo")
    )
    text = f"umount() {{ echo umount $* >>{root}/umounted; }}\n{text}"
    done = subprocess.run(["sh", "-euc", text], capture_output=True, text=True, check=True)
    return done.stdout


def test_with_version_2_the_kubelet_and_systemd_share_a_driver_and_nothing_is_waived():
    found = kubelet_configuration(Box(unified=True))  # type: ignore[arg-type]
    assert found["cgroupDriver"] == "systemd"
    assert {"failCgroupV1", "cgroupRoot"}.isdisjoint(found)


def test_with_version_1_the_kubelet_is_told_to_go_on_below_a_root_of_its_own():
    found = kubelet_configuration(Box(unified=False))  # type: ignore[arg-type]
    assert found["failCgroupV1"] is False
    assert (found["cgroupDriver"], found["cgroupRoot"]) == ("cgroupfs", "/kubelet")


def test_with_version_2_there_is_nothing_to_mend(tmp_path):
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    (tmp_path / "system.slice").mkdir()
    assert mended(tmp_path) == ""
    assert not (tmp_path / "system.slice/kubelet").exists()


@pytest.mark.parametrize("twice", [False, True])
def test_with_version_1_each_controller_gets_the_kubelets_root_and_a_second_mount_goes(
    tmp_path, twice
):
    for name in ("cpu", "memory", "systemd", "unified"):
        (tmp_path / name).mkdir()
    line = f"1 2 0:3 / {tmp_path}/systemd rw - cgroup cgroup rw\n"
    said = mended(tmp_path, line * (2 if twice else 1))
    roots = {path.parent.name for path in tmp_path.glob("*/kubelet")}
    assert roots == {"cpu", "memory", "systemd"}
    assert "cgroups of version 1" in said
    assert ("taken away" in said) is twice
    assert (tmp_path / "umounted").exists() is twice
