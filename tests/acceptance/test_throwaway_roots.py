"""The real packages, installed by dpkg and by rpm into a temporary Debian chroot and run there."""

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
"""Folders that the package filesystem owns on Fedora and related distributions."""
OTHER_KUBECTL = {"src": "/bin/true", "dst": "/usr/bin/kubectl", "file_info": {"mode": 0o755}}
Chroot = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """Bootstrap a minimal Debian with the dependencies of the kubelet and rpm."""
    if not shutil.which("mmdebstrap") or os.geteuid():
        pytest.skip("needs root and mmdebstrap")
    root = tmp_path_factory.mktemp("root") / "base"
    command = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=iptables,rpm", "bookworm"]
    subprocess.run([*command, str(root)], check=True)
    return root


@pytest.fixture
def chroot(base, tmp_path) -> Iterator[Chroot]:
    """Return a function that runs a program in a copy of the root, without any mounts."""
    root = tmp_path / "root"
    subprocess.run(["cp", "-a", base, root], check=True)

    def run(*argv: str, check: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
        completed = subprocess.run(
            ["chroot", str(root), *argv],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or completed.returncode == 0, completed.stdout + completed.stderr
        return completed

    run.root = root  # type: ignore[attr-defined]
    yield run
    shutil.rmtree(root)


def copy_packages(real, chroot, kind: str) -> list[str]:
    """Copy the packages into the root and return their paths there."""
    packages = sorted((real.folder / "dist" / kind).iterdir())
    for path in packages:
        shutil.copy(path, chroot.root / "tmp")
    return [f"/tmp/{path.name}" for path in packages]


def assert_versions(chroot: Chroot) -> None:
    """Assert that every binary prints the version of its package."""
    assert chroot("kubeadm", "version", "-o", "short").stdout.strip() == "v1.36.3"
    assert chroot("kubelet", "--version").stdout.strip() == "Kubernetes v1.36.3"
    assert "Client Version: v1.36.3\n" in chroot("kubectl", "version", "--client").stdout
    assert chroot("crictl", "--version").stdout.strip() == "crictl version 1.36.0"
    folder = chroot.root / "opt/cni/bin"  # type: ignore[attr-defined]
    assert {path.name for path in folder.iterdir()} == PLUGINS
    for name in PLUGINS:
        output = chroot(f"/opt/cni/bin/{name}", CNI_COMMAND="", check=False)
        assert "v1.9.1" in output.stdout + output.stderr


def test_debs_are_installed_by_dpkg_and_every_binary_runs(real, chroot):
    chroot("dpkg", "--install", *copy_packages(real, chroot, "deb"))
    assert_versions(chroot)
    assert chroot("dpkg", "--verify", "kubeadm", "kubelet", "kubernetes-cni").stdout == ""


def test_purging_the_debs_restores_the_root(real, chroot):
    before = all_paths(chroot.root)
    debs = copy_packages(real, chroot, "deb")
    chroot("dpkg", "--install", *debs)
    names = [Path(deb).name.partition("_")[0] for deb in debs]
    chroot("dpkg", "--purge", *names)
    assert all_paths(chroot.root) == before


def test_rpms_are_installed_by_rpm_and_every_binary_runs(real, chroot, tmp_path):
    chroot("rpm", "--install", build_placeholder(tmp_path, chroot), *copy_packages(real, chroot, "rpm"))
    assert_versions(chroot)
    changed = chroot("rpm", "--verify", "kubeadm", "kubelet", "kubernetes-cni").stdout
    assert changed == ""


def test_erasing_the_rpms_restores_the_root(real, chroot, tmp_path):
    chroot("rpm", "--install", build_placeholder(tmp_path, chroot))
    before = all_paths(chroot.root)
    chroot("rpm", "--install", *copy_packages(real, chroot, "rpm"))
    chroot("rpm", "--erase", "kubeadm", "kubelet", "kubectl", "kubernetes-cni", "cri-tools")
    assert all_paths(chroot.root) == before


def test_rpm_refuses_the_kubelet_without_its_dependencies(real, chroot):
    rpms = [rpm for rpm in copy_packages(real, chroot, "rpm") if "kubelet" in rpm]
    failed = chroot("rpm", "--install", *rpms, check=False)
    assert failed.returncode != 0
    for requirement in ("iptables >= 1.4.21", "kubernetes-cni >= 1.2.0", "util-linux"):
        assert requirement in failed.stderr


def all_paths(root: Path) -> set[str]:
    """Return every path of a root, except the package managers' databases and logs.

    Also except /opt: no Debian package owns it, so dpkg removes it when it is empty.
    """
    ignored = ("var/lib/dpkg", "var/lib/rpm", "root/.rpmdb", "var/log", "tmp", "usr/lib/sysimage")
    return {
        name
        for path in root.rglob("*")
        if not (name := path.relative_to(root).as_posix()).startswith(ignored) and name != "opt"
    }


def test_apt_exchanges_debians_kubectl(real, chroot, tmp_path):
    old = build_package(tmp_path, chroot, "deb", name="kubernetes-client", version="1.20.5", contents=[OTHER_KUBECTL])
    chroot("dpkg", "--install", old)
    (kubectl,) = [path for path in copy_packages(real, chroot, "deb") if "kubectl" in path]
    chroot("apt-get", "--yes", "--option", "APT::Sandbox::User=root", "install", kubectl)
    installed = chroot("dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Abbrev}\n").stdout
    assert "kubectl ii" in installed
    assert "kubernetes-client ii" not in installed
    assert chroot("dpkg", "--verify", "kubectl").stdout == ""


def test_rpm_reports_the_conflict_with_fedoras_kubectl(real, chroot, tmp_path):
    fedora = {"name": "kubernetes1.36-client", "version": "1.36.1", "provides": ["kubernetes-client"]}
    old = build_package(tmp_path, chroot, "rpm", **fedora, contents=[OTHER_KUBECTL])
    chroot("rpm", "--install", build_placeholder(tmp_path, chroot), old)
    (kubectl,) = [path for path in copy_packages(real, chroot, "rpm") if "kubectl" in path]
    failed = chroot("rpm", "--install", kubectl, check=False)
    assert "kubernetes-client conflicts with kubectl" in failed.stderr


def build_placeholder(folder: Path, chroot: Chroot) -> str:
    """Build an rpm that provides what is installed as Debian packages; return its path."""
    return build_package(
        *(folder, chroot, "rpm"),
        name="host",
        version="1",
        provides=["iptables = 1.8.9", "util-linux = 2.38", "/bin/sh"],
        contents=[{"dst": path, "type": "dir"} for path in FILESYSTEM],
    )


def build_package(folder: Path, chroot: Chroot, kind: str, **fields: object) -> str:
    """Build a package with nfpm and return its path in the root."""
    config = folder / f"{fields['name']}.yaml"
    common = {"arch": "amd64", "maintainer": "host <host@host.invalid>", "description": "A stand-in"}
    config.write_text(yaml.safe_dump({**common, **fields}))
    path = f"tmp/{fields['name']}.{kind}"
    command = [nfpm.program(), "package", "--config", config, "--packager", kind]
    target = chroot.root / path  # type: ignore[attr-defined]
    subprocess.run([*command, "--target", target], check=True, capture_output=True)
    return f"/{path}"
