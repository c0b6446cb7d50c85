"""The real packages installed by dpkg and by rpm into a throw-away Debian root, and run there."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from kubeparcel.packages import nfpm

PLUGINS = {
    *("bandwidth", "bridge", "dhcp", "dummy", "firewall", "host-device", "host-local", "ipvlan"),
    *("loopback", "macvlan", "portmap", "ptp", "sbr", "static", "tap", "tuning", "vlan", "vrf"),
}
FILESYSTEM = (
    *("/etc/sysconfig", "/usr/share/licenses", "/usr/share/zsh", "/usr/share/zsh/site-functions"),
    *("/usr/share/fish", "/usr/share/fish/vendor_completions.d"),
)
"""Shared folders that the package filesystem owns on Fedora and its kin, and Debian lacks."""
Chroot = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """A minimal Debian with what the kubelet depends on, and rpm."""
    if not shutil.which("mmdebstrap") or os.geteuid():
        pytest.skip("needs root and mmdebstrap")
    root = tmp_path_factory.mktemp("root") / "base"
    command = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=iptables,rpm", "bookworm"]
    subprocess.run([*command, str(root)], check=True)
    return root


@pytest.fixture
def chroot(base, tmp_path) -> Iterator[Chroot]:
    """Run a program in a copy of the root; nothing of the machine is mounted there."""
    root = tmp_path / "root"
    subprocess.run(["cp", "-a", base, root], check=True)

    def run(*argv: str, check: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["chroot", str(root), *argv],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    run.root = root  # type: ignore[attr-defined]
    yield run
    shutil.rmtree(root)


def bring(real, chroot, kind: str) -> list[str]:
    """Copy the packages into the root and give their paths there."""
    packages = sorted((real.folder / "dist" / kind).iterdir())
    for path in packages:
        shutil.copy(path, chroot.root / "tmp")
    return [f"/tmp/{path.name}" for path in packages]


def assert_versions(chroot: Chroot) -> None:
    """Every binary says the version of its package."""
    assert chroot("kubeadm", "version", "-o", "short").stdout.strip() == "v1.36.3"
    assert chroot("kubelet", "--version").stdout.strip() == "Kubernetes v1.36.3"
    assert "Client Version: v1.36.3\n" in chroot("kubectl", "version", "--client").stdout
    assert chroot("crictl", "--version").stdout.strip() == "crictl version 1.36.0"
    folder = chroot.root / "opt/cni/bin"  # type: ignore[attr-defined]
    assert {path.name for path in folder.iterdir()} == PLUGINS
    for name in PLUGINS:
        said = chroot(f"/opt/cni/bin/{name}", CNI_COMMAND="", check=False)
        assert "v1.9.1" in said.stdout + said.stderr


def test_dpkg_installs_the_debs_and_every_binary_runs(real, chroot):
    chroot("dpkg", "--install", *bring(real, chroot, "deb"))
    assert_versions(chroot)
    assert chroot("dpkg", "--verify", "kubeadm", "kubelet", "kubernetes-cni").stdout == ""


def test_purging_the_debs_leaves_the_root_as_it_was(real, chroot):
    before = tree(chroot.root)
    debs = bring(real, chroot, "deb")
    chroot("dpkg", "--install", *debs)
    names = [Path(deb).name.partition("_")[0] for deb in debs]
    chroot("dpkg", "--purge", *names)
    assert tree(chroot.root) == before


def test_rpm_installs_the_rpms_and_every_binary_runs(real, chroot, tmp_path):
    chroot("rpm", "--install", provider(tmp_path, chroot), *bring(real, chroot, "rpm"))
    assert_versions(chroot)
    changed = chroot("rpm", "--verify", "kubeadm", "kubelet", "kubernetes-cni").stdout
    assert changed == ""


def test_erasing_the_rpms_leaves_the_root_as_it_was(real, chroot, tmp_path):
    chroot("rpm", "--install", provider(tmp_path, chroot))
    before = tree(chroot.root)
    chroot("rpm", "--install", *bring(real, chroot, "rpm"))
    chroot("rpm", "--erase", "kubeadm", "kubelet", "kubectl", "kubernetes-cni", "cri-tools")
    assert tree(chroot.root) == before


def test_rpm_refuses_the_kubelet_without_what_it_needs(real, chroot):
    rpms = [rpm for rpm in bring(real, chroot, "rpm") if "kubelet" in rpm]
    said = chroot("rpm", "--install", *rpms, check=False)
    assert said.returncode != 0
    for need in ("iptables >= 1.4.21", "kubernetes-cni >= 1.2.0", "util-linux"):
        assert need in said.stderr


def tree(root: Path) -> set[str]:
    """Every path of a root, without the package managers' own books and logs.

    Without /opt itself too: no package of Debian's owns it, so dpkg removes it when it is empty.
    """
    books = ("var/lib/dpkg", "var/lib/rpm", "root/.rpmdb", "var/log", "tmp", "usr/lib/sysimage")
    return {
        name
        for path in root.rglob("*")
        if not (name := path.relative_to(root).as_posix()).startswith(books) and name != "opt"
    }


def provider(folder: Path, chroot: Chroot) -> str:
    """A package that says, in rpm's books, what the Debian root below really has."""
    config = folder / "host.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "name": "host",
                "arch": "x86_64",
                "version": "1",
                "maintainer": "host <host@host.invalid>",
                "description": "what the root has",
                "provides": ["iptables = 1.8.9", "util-linux = 2.38", "/bin/sh"],
                "contents": [{"dst": path, "type": "dir"} for path in FILESYSTEM],
            }
        )
    )
    target = chroot.root / "tmp/host.rpm"  # type: ignore[attr-defined]
    command = [nfpm.program(), "package", "--config", config, "--packager", "rpm"]
    subprocess.run([*command, "--target", target], check=True, capture_output=True)
    return "/tmp/host.rpm"
