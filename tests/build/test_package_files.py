"""Package files: their files, scriptlets and relations as dpkg and rpm read them."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from kubeparcel.build.assembler import BuiltPackage
from kubeparcel.store import Store
from tests.build.assembled import assembled, manifests
from tests.conftest import isolate_environment
from tests.support.fake_sources import BINARIES, locked, stored


def command_output(*argv: str | Path) -> str:
    return subprocess.run(argv, capture_output=True, check=True, text=True).stdout


@pytest.fixture(scope="module")
def package_files(tmp_path_factory):
    """Return the packages of 1.37.0-rc.1, and of 1.29.0 in the official layout."""
    folder = tmp_path_factory.mktemp("built")
    store = Store(folder / "cache")
    packages: list[BuiltPackage] = []
    with pytest.MonkeyPatch.context() as patch:
        isolate_environment(patch, folder / "cache")
        patch.chdir(folder)
        for version, layout in (("1.37.0-rc.1", "etc"), ("1.29.0", "official")):
            lock = locked(version)
            binaries = stored(lock.artifacts, store)
            flags = {"layout": layout, "compression": "fast"}
            packages += assembled(manifests(lock, binaries, store, **flags), store)
    return {
        (built.manifest.name, str(built.manifest.format), built.manifest.version): store.path(built.sha256)
        for built in packages
    }


KUBE = "1.37.0~rc.1"


@pytest.mark.parametrize("name", BINARIES["kubernetes"])
def test_prerelease_sorts_before_its_final_release_in_both_formats(package_files, name):
    deb, rpm = package_files[name, "deb", KUBE], package_files[name, "rpm", KUBE]
    version = command_output("dpkg-deb", "-f", deb, "Version").strip()
    assert version == "1.37.0~rc.1-1"
    subprocess.run(["dpkg", "--compare-versions", version, "lt", "1.37.0-1"], check=True)
    rpm_version = command_output("rpm", "-qp", "--qf", "%{version}-%{release}", rpm)
    assert rpm_version == "1.37.0~rc.1-1"
    assert command_output("rpm", "--eval", "%{lua:print(rpm.vercmp('1.37.0~rc.1', '1.37.0'))}") == "-1\n"


def deb_files(deb: Path) -> dict[str, tuple[str, str, str]]:
    """Return the mode, owner and time of each file of a deb."""
    process = subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(process.stdout)) as archive:
        return {
            member.name.removeprefix("."): (oct(member.mode), f"{member.uid}:{member.gid}", str(int(member.mtime)))
            for member in archive.getmembers()
        }


def test_deb_has_its_files_modes_and_parent_folders(package_files):
    files = deb_files(package_files["kubelet", "deb", KUBE])
    assert {path: mode for path, (mode, _, _) in files.items()} == {
        **dict.fromkeys(
            [
                *["/etc", "/etc/default", "/etc/kubernetes", "/etc/kubernetes/manifests", "/lib"],
                *["/etc/needrestart", "/etc/needrestart/conf.d"],
                *["/lib/systemd", "/lib/systemd/system", "/usr", "/usr/bin", "/usr/share"],
                *["/usr/share/doc", "/usr/share/doc/kubelet", "/var", "/var/lib"],
                *["/var/lib/kubelet", "/usr/bin/kubelet"],
            ],
            "0o755",
        ),
        **dict.fromkeys(
            [
                *["/etc/default/kubelet", "/lib/systemd/system/kubelet.service"],
                "/etc/needrestart/conf.d/kubelet.conf",
                "/usr/share/doc/kubelet/copyright",
                "/usr/share/doc/kubelet/provenance.json",
                "/usr/share/doc/kubelet/changelog.Debian.gz",
            ],
            "0o644",
        ),
    }
    assert {owner for _, owner, _ in files.values()} == {"0:0"}


def test_rpm_has_its_files_with_modes_owners_and_flags(package_files):
    query = r"[%{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILEFLAGS:fflags} %{FILENAMES}\n]"
    lines = command_output("rpm", "-qp", "--qf", query, package_files["kubelet", "rpm", KUBE]).splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        "drwxr-xr-x root:root /etc/kubernetes",
        "drwxr-xr-x root:root /etc/kubernetes/manifests",
        "drwxr-xr-x root:root /etc/needrestart",
        "drwxr-xr-x root:root /etc/needrestart/conf.d",
        "-rw-r--r-- root:root cn /etc/needrestart/conf.d/kubelet.conf",
        "-rw-r--r-- root:root cn /etc/sysconfig/kubelet",
        "-rwxr-xr-x root:root /usr/bin/kubelet",
        "-rw-r--r-- root:root /usr/lib/systemd/system/kubelet.service",
        "drwxr-xr-x root:root /usr/share/doc/kubelet",
        "-rw-r--r-- root:root d /usr/share/doc/kubelet/provenance.json",
        "drwxr-xr-x root:root /usr/share/licenses/kubelet",
        "-rw-r--r-- root:root l /usr/share/licenses/kubelet/LICENSE",
        "drwxr-xr-x root:root /var/lib/kubelet",
    ]


def control_file(deb: Path, name: str) -> str | None:
    """Return the text of a control file of a deb, None if it has none."""
    process = subprocess.run(["dpkg-deb", "-I", deb, name], capture_output=True, text=True, check=False)
    return process.stdout if process.returncode == 0 else None


@pytest.mark.parametrize(
    ("package", "version", "conffiles"),
    [
        ("kubeadm", KUBE, ["/etc/systemd/system/kubelet.service.d/10-kubeadm.conf"]),
        ("kubeadm", "1.29.0", []),
        ("kubelet", KUBE, ["/etc/default/kubelet", "/etc/needrestart/conf.d/kubelet.conf"]),
        ("kubelet", "1.29.0", ["/etc/default/kubelet", "/etc/needrestart/conf.d/kubelet.conf"]),
        ("kubectl", KUBE, []),
        ("kubernetes-cni", "1.9.1", []),
        ("cri-tools", "1.36.0", []),
    ],
)
def test_only_files_that_administrators_edit_are_conffiles(package_files, package, version, conffiles):
    text = control_file(package_files[package, "deb", version], "conffiles") or ""
    assert text.split() == conffiles


def test_md5sums_of_a_deb_match_its_files(package_files, tmp_path):
    deb = package_files["kubeadm", "deb", KUBE]
    subprocess.run(["dpkg-deb", "-x", deb, tmp_path / "root"], check=True)
    sums = control_file(deb, "md5sums")
    assert sums
    (tmp_path / "md5sums").write_text(sums)
    process = subprocess.run(
        ["md5sum", "-c", tmp_path / "md5sums"], cwd=tmp_path / "root", capture_output=True, text=True, check=True
    )
    files = [path for path in (tmp_path / "root").rglob("*") if path.is_file()]
    assert len(process.stdout.splitlines()) == len(files) == 7


@pytest.mark.parametrize(
    ("package", "version", "scripts"),
    [
        ("kubeadm", KUBE, {"postinst", "postrm"}),
        ("kubeadm", "1.29.0", {"preinst", "postinst", "postrm"}),
        ("kubelet", KUBE, {"postinst", "prerm", "postrm"}),
        ("kubectl", KUBE, set()),
    ],
)
def test_deb_has_the_expected_scriptlets(package_files, package, version, scripts):
    deb = package_files[package, "deb", version]
    actual = {name for name in ("preinst", "postinst", "prerm", "postrm") if control_file(deb, name)}
    assert actual == scripts
    for name in scripts:
        assert (control_file(deb, name) or "").startswith("#!/bin/sh\nset -e\n")


@pytest.mark.parametrize(
    ("package", "version", "kinds"),
    [
        ("kubeadm", KUBE, ["postinstall", "postuninstall"]),
        ("kubelet", KUBE, ["postinstall", "postuninstall", "preuninstall"]),
        ("kubectl", KUBE, []),
    ],
)
def test_rpm_has_the_expected_scriptlets_and_requires_the_shell_for_them(package_files, package, version, kinds):
    rpm = package_files[package, "rpm", version]
    lines = command_output("rpm", "-qp", "--scripts", rpm).splitlines()
    heads = [line for line in lines if "scriptlet (using /bin/sh)" in line]
    assert sorted(head.split()[0] for head in heads) == kinds
    assert ("/bin/sh" in command_output("rpm", "-qpR", rpm).splitlines()) is bool(kinds)


def test_kubelet_relations_use_the_notation_of_each_format(package_files):
    deb, rpm = package_files["kubelet", "deb", KUBE], package_files["kubelet", "rpm", KUBE]
    assert command_output("dpkg-deb", "-f", deb, "Depends", "Recommends") == (
        "Depends: kubernetes-cni (>= 1.2.0), mount, util-linux\nRecommends: iptables (>= 1.8.4)\n"
    )
    requires = [line for line in command_output("rpm", "-qpR", rpm).splitlines() if "rpmlib" not in line]
    assert requires == ["kubernetes-cni >= 1.2.0", "util-linux", "/bin/sh"]
    assert command_output("rpm", "-qp", "--recommends", rpm) == "iptables >= 1.8.4\n"


def test_relations_of_an_old_kubeadm_use_the_notation_of_each_format(package_files):
    deb, rpm = package_files["kubeadm", "deb", "1.29.0"], package_files["kubeadm", "rpm", "1.29.0"]
    assert command_output("dpkg-deb", "-f", deb, "Depends") == (
        "kubelet (>= 1.19.0), kubelet (<< 1.30~), kubectl (>= 1.19.0), kubectl (<< 1.31~), "
        "kubernetes-cni (>= 1.2.0), cri-tools (>= 1.28.0)\n"
    )
    requires = [line for line in command_output("rpm", "-qpR", rpm).splitlines() if "rpmlib" not in line]
    assert requires == [
        *["kubelet >= 1.19.0", "kubelet < 1.30~", "kubectl >= 1.19.0", "kubectl < 1.31~"],
        *["kubernetes-cni >= 1.2.0", "cri-tools >= 1.28.0", "/bin/sh"],
    ]


@pytest.mark.parametrize("package", ["kubeadm", "kubelet", "kubectl"])
def test_rpm_has_license_homepage_packager_and_architecture(package_files, package):
    rpm = package_files[package, "rpm", KUBE]
    query = "%{license}|%{url}|%{packager}|%{vendor}|%{buildhost}|%{arch}"
    assert command_output("rpm", "-qp", "--qf", query, rpm) == (
        "Apache-2.0|https://kubernetes.io|kubeparcel <noreply@kubeparcel.invalid>|kubeparcel|localhost|x86_64"
    )


def test_digests_of_every_rpm_are_correct(package_files):
    rpms = [path for (_, format_, _), path in package_files.items() if format_ == "rpm"]
    assert command_output("rpm", "-K", "--nosignature", *rpms).count(": digests OK") == len(rpms)
