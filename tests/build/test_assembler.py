"""Manifests and package files: their bytes, and when they are built again."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from kubeparcel import paths, templates
from kubeparcel.build.assembler import BuiltPackage, assemble, discard_packages, finalize, manifest_digest
from kubeparcel.build.planner import plan_packages
from kubeparcel.config import catalog
from kubeparcel.config.settings import load_settings
from kubeparcel.errors import ConfigurationError, DigestError
from kubeparcel.model import Arch, Binaries, Format, Lock
from kubeparcel.packages import nfpm
from kubeparcel.packages.manifest import ManifestFile, PackageManifest
from kubeparcel.store import Store
from tests.conftest import BINARIES, RecordingLog, isolate_environment, locked, stored
from tests.support.elf_files import elf

ROOT = Path(__file__).parents[2]


def manifests(lock: Lock, binaries: Binaries, store: Store, **flags: str) -> list[PackageManifest]:
    """Return the manifests of all packages of the settings."""
    plans = plan_packages(load_settings(flags), lock, catalog.load())
    return [finalize(plan, lock, binaries, store) for plan in plans]


def assembled(packages: Sequence[PackageManifest], store: Store) -> tuple[BuiltPackage, ...]:
    with ThreadPoolExecutor(2) as pool:
        return assemble(packages, store, RecordingLog(), pool)


def command_output(*argv: str | Path) -> str:
    return subprocess.run(argv, capture_output=True, check=True, text=True).stdout


# --- Manifests ----------------------------------------------------------------------------------


def find_manifest(packages: Sequence[PackageManifest], name: str, format_: str) -> PackageManifest:
    (manifest,) = [p for p in packages if (p.name, p.format) == (name, format_)]
    return manifest


def test_manifest_has_the_digest_of_a_binary(workdir, lock, binaries, store):
    package = find_manifest(manifests(lock, binaries, store), "kubelet", "deb")
    (file,) = [file for file in package.files if file.path == "/usr/bin/kubelet"]
    assert file.sha256 == binaries["kubernetes", Arch.AMD64]["kubelet"]


def test_folder_of_binaries_has_all_binaries_of_the_release(workdir, lock, binaries, store):
    package = find_manifest(manifests(lock, binaries, store), "kubernetes-cni", "rpm")
    assert [file.path for file in package.files if file.path.startswith("/opt")] == [
        *["/opt/cni", "/opt/cni/bin"],
        *[f"/opt/cni/bin/{name}" for name in ("bridge", "host-local", "loopback", "portmap")],
    ]


def test_user_plugin_replaces_the_plugin_of_that_name(workdir, lock, binaries, store):
    (workdir / "kubeparcel.yaml").write_text(
        "packages: {kubernetes-cni: {files: [{path: /opt/cni/bin/bridge, text: patched}]}}"
    )
    package = find_manifest(manifests(lock, binaries, store), "kubernetes-cni", "deb")
    files = [file for file in package.files if file.path == "/opt/cni/bin/bridge"]
    assert [file.sha256 for file in files] == [hashlib.sha256(b"patched").hexdigest()]


def test_provenance_lists_origins_and_digests_of_the_binaries(workdir, lock, binaries, store):
    package = find_manifest(manifests(lock, binaries, store), "kubectl", "deb")
    (file,) = [file for file in package.files if file.path.endswith("provenance.json")]
    kubectl = next(a for a in lock.artifacts if a.name == "kubectl")
    record = json.loads(store.path(file.sha256).read_text())
    contents = record.pop("contents")
    assert contents["files"]["/usr/bin/kubectl"] == {"mode": "0755"}
    assert contents["files"][file.path] == {"mode": "0644"}
    assert contents["relations"] == package.format_relations()
    assert record == {
        "package": "kubectl 1.36.3-1",
        "component": "kubernetes",
        "version": "1.36.3",
        "source": "upstream",
        "origins": [{"origin": kubectl.origin, "digest": kubectl.digest}],
        "binaries": {"kubectl": f"sha256:{binaries['kubernetes', Arch.AMD64]['kubectl']}"},
    }


def test_provenance_has_the_go_toolchain_of_compiled_binaries(workdir, lock, binaries, store):
    from_go = dataclasses.replace(lock, source="go", toolchain="go1.26.8")
    package = find_manifest(manifests(from_go, binaries, store), "cri-tools", "deb")
    (file,) = [file for file in package.files if file.path.endswith("provenance.json")]
    record = json.loads(store.path(file.sha256).read_text())
    assert (record["source"], record["toolchain"]) == ("go", "go1.26.8")


def test_only_dynamic_binaries_depend_on_the_c_library(workdir, lock, binaries, store):
    """The dynamic binary is `env` of this machine, linked with glibc like upstream's kubelet."""
    dynamic = store.add_bytes(Path("/usr/bin/env").read_bytes())
    names = {**binaries["kubernetes", Arch.AMD64], "kubelet": dynamic}
    packages = manifests(lock, {**binaries, ("kubernetes", Arch.AMD64): names}, store)

    def dependencies(name: str, format_: str) -> list[str]:
        return [other for _, other in find_manifest(packages, name, format_).relations]

    assert [other for other in dependencies("kubelet", "deb") if other.startswith("libc6 (>= 2.")]
    assert "libc.so.6()(64bit)" in dependencies("kubelet", "rpm")
    assert not [other for other in dependencies("kubectl", "deb") if "libc" in other]


def test_missing_binary_is_an_error(workdir, lock, binaries, store):
    """Such as after a line was removed from kubeparcel.lock by hand."""
    names = {n: d for n, d in binaries["kubernetes", Arch.AMD64].items() if n != "kubectl"}
    with pytest.raises(ConfigurationError, match="kubectl"):
        manifests(lock, {**binaries, ("kubernetes", Arch.AMD64): names}, store)


# --- Manifest digests ----------------------------------------------------------------------------

PACKAGE = PackageManifest(
    name="small",
    version="1.0.0",
    revision="1",
    format=Format.DEB,
    arch=Arch.AMD64,
    arch_name="amd64",
    component="cni",
    fields={"summary": "small"},
    files=(ManifestFile("/x", 0o644, sha256="0" * 64),),
    relations=(("depends", "socat"),),
    scripts={"postinstall": "true"},
    note="Packaged.",
    time=1_784_743_658,
    compression="fast",
    file_name="deb/small_1.0.0-1_amd64.deb",
)
CHANGES: dict[str, Any] = {
    "name": "tiny",
    "version": "1.0.1",
    "revision": "2",
    "format": Format.RPM,
    "arch": None,
    "arch_name": "all",
    "component": "",
    "fields": {"summary": "tiny"},
    "files": (ManifestFile("/y", 0o644, sha256="0" * 64),),
    "relations": (("recommends", "socat"),),
    "scripts": {"preinstall": "true"},
    "note": "Packed.",
    "time": 1_784_743_659,
    "compression": "small",
    "file_name": "deb/small.deb",
    "bundled": ("bundled(golang(stdlib)) (= 1.26.8)",),
}
FILE_CHANGES: dict[str, Any] = {
    "path": "/y",
    "mode": 0o600,
    "kind": "dir",
    "sha256": "1" * 64,
    "link": "/y",
    "config": True,
    "role": "doc",
    "custom": True,
}


def test_equal_manifests_have_equal_digests():
    assert manifest_digest(dataclasses.replace(PACKAGE)) == manifest_digest(PACKAGE)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(PackageManifest)])
def test_manifest_digest_depends_on_every_field_of_the_package(field):
    changed = dataclasses.replace(PACKAGE, **{field: CHANGES[field]})
    assert manifest_digest(changed) != manifest_digest(PACKAGE)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(ManifestFile)])
def test_manifest_digest_depends_on_every_field_of_a_file(field):
    files = (dataclasses.replace(PACKAGE.files[0], **{field: FILE_CHANGES[field]}),)
    changed = dataclasses.replace(PACKAGE, files=files)
    assert manifest_digest(changed) != manifest_digest(PACKAGE)


def test_manifest_digest_depends_on_the_nfpm_version(monkeypatch):
    before = manifest_digest(PACKAGE)
    monkeypatch.setattr(nfpm, "version", lambda: "9.9.9")
    assert manifest_digest(dataclasses.replace(PACKAGE)) != before


@pytest.mark.parametrize(
    ("name", "value", "changed"),
    [
        ("SOURCE_DATE_EPOCH", "1000000000", True),
        ("KUBEPARCEL_REVISION", "2", True),
        ("KUBEPARCEL_MAINTAINER", "A <a@b.example>", True),
        ("KUBEPARCEL_COMPRESSION", "small", True),
        ("KUBEPARCEL_OUT", "elsewhere", False),
        ("TZ", "Asia/Tokyo", False),
        ("LANG", "tr_TR.UTF-8", False),
        ("HOME", "/nowhere", False),
    ],
)
def test_manifest_digests_depend_only_on_relevant_environment_variables(
    workdir, lock, binaries, store, monkeypatch, name, value, changed
):
    before = {manifest_digest(package) for package in manifests(lock, binaries, store)}
    monkeypatch.setenv(name, value)
    after = {manifest_digest(package) for package in manifests(lock, binaries, store)}
    assert after.isdisjoint(before) if changed else after == before


# --- Building and rebuilding ---------------------------------------------------------------------


def test_second_run_builds_nothing(workdir, lock, binaries, store, monkeypatch):
    packages = manifests(lock, binaries, store)
    first = assembled(packages, store)
    assert [package.seconds > 0 for package in first] == [True] * 10
    monkeypatch.setattr(nfpm, "write_package", None)
    second = assembled(manifests(lock, binaries, store), store)
    assert [package.seconds for package in second] == [0] * 10
    assert [package.sha256 for package in second] == [package.sha256 for package in first]
    assert [package.size for package in second] == [store.path(package.sha256).stat().st_size for package in second]


def test_assemble_keeps_the_order_of_the_packages(workdir, lock, binaries, store):
    packages = manifests(lock, binaries, store, compression="fast")
    assembled(packages[3:5], store)
    assert [package.manifest for package in assembled(packages, store)] == packages


def rebuilt(before: Sequence[PackageManifest], after: Sequence[PackageManifest]) -> set[str]:
    """Return the packages that would be built again, as `NAME FORMAT`."""
    cached = {manifest_digest(package) for package in before}
    return {f"{p.name} {p.format}" for p in after if manifest_digest(p) not in cached}


BOTH = ("deb", "rpm")


@pytest.mark.parametrize(
    ("changed", "packages"),
    [
        ("10-kubeadm.conf", {f"kubeadm {f}" for f in BOTH}),
        ("kubelet.service", {f"kubelet {f}" for f in BOTH}),
        ("kubelet.env", {f"kubelet {f}" for f in BOTH}),
        ("deb/kubelet.postinst", {"kubelet deb"}),
        ("rpm/kubeadm.post", {"kubeadm rpm"}),
        ("completion.fish", {f"{p} {f}" for p in ("kubectl", "cri-tools") for f in BOTH}),
        ("LICENSE", {f"{p} rpm" for p in ("kubeadm", "kubelet", "kubectl", "kubernetes-cni", "cri-tools")}),
        ("copyright", {f"{p} deb" for p in ("kubeadm", "kubelet", "kubectl", "kubernetes-cni", "cri-tools")}),
    ],
)
def test_changed_template_rebuilds_only_packages_that_use_it(
    workdir, lock, binaries, store, tmp_path, monkeypatch, changed, packages
):
    before = manifests(lock, binaries, store)
    copy = tmp_path / "templates"
    shutil.copytree(paths.template_dir(), copy)
    with (copy / "packages" / changed).open("a") as file:
        file.write("\n# changed\n")
    monkeypatch.setattr(paths, "template_dir", lambda: copy)
    monkeypatch.setattr(templates, "_environment", templates._environment.__wrapped__)
    assert rebuilt(before, manifests(lock, binaries, store)) == packages


def test_changed_binary_rebuilds_only_its_packages(workdir, lock, binaries, store):
    before = manifests(lock, binaries, store)
    names = dict(binaries["kubernetes", Arch.AMD64])
    names["kubectl"] = store.add_bytes(elf("another"))
    after = manifests(lock, {**binaries, ("kubernetes", Arch.AMD64): names}, store)
    assert rebuilt(before, after) == {"kubectl deb", "kubectl rpm"}


def test_package_missing_in_the_store_is_rebuilt(workdir, lock, binaries, store):
    packages = manifests(lock, binaries, store, format="deb")[:2]
    first, _second = assembled(packages, store)
    store.path(first.sha256).unlink()
    rebuilt_package, cached = assembled(packages, store)
    assert (rebuilt_package.sha256, cached.seconds) == (first.sha256, 0)
    assert rebuilt_package.seconds > 0
    assert store.has(first.sha256)


def test_packages_can_be_built_in_another_process(workdir, lock, binaries, store):
    packages = manifests(lock, binaries, store, format="rpm")[:2]
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        packages_built = assemble(packages, store, RecordingLog(), pool)
    assert [package.manifest for package in packages_built] == packages
    assert [store.has(package.sha256) for package in packages_built] == [True, True]


def test_damaged_binary_is_quarantined_and_nothing_is_built(workdir, lock, binaries, store):
    packages = manifests(lock, binaries, store, format="deb")
    path = store.path(binaries["kubernetes", Arch.AMD64]["kubelet"])
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    with pytest.raises(DigestError, match="/usr/bin/kubelet") as error:
        assembled(packages, store)
    assert not path.exists()
    (quarantined,) = (store.root / "quarantine").iterdir()
    assert quarantined.read_bytes() == b"damaged"
    assert str(quarantined) in error.value.hint
    assert store.get_record("package", manifest_digest(packages[0])) is None
    assert not list((store.root / "scratch").iterdir())


def test_discard_packages_reports_a_damaged_input_and_forgets_the_package(lock, binaries, store):
    packages = manifests(lock, binaries, store, format="deb")
    path = store.path(binaries["kubernetes", Arch.AMD64]["kubelet"])
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    reported: list[BuiltPackage] = []
    with ThreadPoolExecutor(2) as pool:
        packages_built = assemble(packages, store, RecordingLog(), pool, reported.append)
    assert {package.manifest.name for package in reported} == {package.manifest.name for package in packages_built}
    failed = [package for package in packages_built if package.manifest.name == "kubelet"]
    with pytest.raises(DigestError, match="/usr/bin/kubelet"):
        discard_packages(failed, packages_built, store)
    assert store.get_record("package", manifest_digest(failed[0].manifest)) is None
    others = [package for package in packages_built if package not in failed]
    path.write_bytes(b"damaged")
    kubectl = store.path(binaries["kubernetes", Arch.AMD64]["kubectl"])
    kubectl.write_bytes(b"damaged")
    with pytest.raises(DigestError, match=r"/usr/bin/kube(?s:.*)/usr/bin/kube"):
        discard_packages(others[:1], packages_built, store)


def test_missing_input_is_reported_even_if_inputs_were_not_verified_first(lock, binaries, store):
    packages = manifests(lock, binaries, store, format="deb")
    store.path(binaries["kubernetes", Arch.AMD64]["kubelet"]).unlink()
    with ThreadPoolExecutor(2) as pool, pytest.raises(DigestError, match="/usr/bin/kubelet"):
        assemble(packages, store, RecordingLog(), pool, lambda _: None)


# --- Reproducibility -----------------------------------------------------------------------------

BUILD = """
import os, sys
from pathlib import Path
from kubeparcel.store import Store
from tests.conftest import locked, stored
from tests.build.test_assembler import assembled, manifests
os.umask(int(sys.argv[2], 8))
store, lock = Store(Path(sys.argv[1])), locked("1.37.0-rc.1")
for package in assembled(manifests(lock, stored(lock.artifacts, store), store), store):
    print(package.sha256, package.manifest.file_name)
"""


def build_in_subprocess(folder: Path, umask: str, **env: str) -> str:
    """Return the digests of all packages, built in a new process in a folder."""
    folder.mkdir(parents=True)
    process = subprocess.run(
        [sys.executable, "-c", BUILD, folder / "cache", umask],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{ROOT}/packaging:{ROOT}", **env},
        capture_output=True,
        text=True,
        check=False,
    )
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


# --- As read by dpkg-deb and rpm ------------------------------------------------------------------


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
