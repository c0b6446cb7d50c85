"""Plans become packages: what decides their bytes, what is made again, and what is not."""

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
from kubeparcel.build.assembler import (
    BuiltPackage,
    assemble,
    blame_inputs,
    finalize,
    manifest_digest,
)
from kubeparcel.build.planner import plan_packages
from kubeparcel.config import catalog
from kubeparcel.config.settings import load_settings
from kubeparcel.errors import ConfigurationError, DigestError
from kubeparcel.model import Arch, Binaries, Format, Lock
from kubeparcel.packages import nfpm
from kubeparcel.packages.manifest import ManifestFile, PackageManifest
from kubeparcel.store import Store
from tests.conftest import BINARIES, RecordingLog, elf, isolate_environment, locked, stored

ROOT = Path(__file__).parents[2]


def described(lock: Lock, binaries: Binaries, store: Store, **flags: str) -> list[PackageManifest]:
    """All packages of the settings that hold where we stand, described."""
    planned = plan_packages(load_settings(flags), lock, catalog.load())
    return [finalize(package, lock, binaries, store) for package in planned]


def assembled(packages: Sequence[PackageManifest], store: Store) -> tuple[BuiltPackage, ...]:
    with ThreadPoolExecutor(2) as pool:
        return assemble(packages, store, RecordingLog(), pool)


def file_of(made: Sequence[BuiltPackage], store: Store, name: str, format_: str) -> Path:
    (sha256,) = [m.sha256 for m in made if (m.manifest.name, m.manifest.format) == (name, format_)]
    return store.path(sha256)


def output(*argv: str | Path) -> str:
    return subprocess.run(argv, capture_output=True, check=True, text=True).stdout


# --- What a package is ---------------------------------------------------------------------------


def only(packages: Sequence[PackageManifest], name: str, format_: str) -> PackageManifest:
    (found,) = [p for p in packages if (p.name, p.format) == (name, format_)]
    return found


def test_a_binary_is_named_by_its_digest(here, lock, binaries, store):
    package = only(described(lock, binaries, store), "kubelet", "deb")
    (row,) = [file for file in package.files if file.path == "/usr/bin/kubelet"]
    assert row.sha256 == binaries["kubernetes", Arch.AMD64]["kubelet"]


def test_a_folder_of_binaries_holds_as_many_as_the_release_has(here, lock, binaries, store):
    package = only(described(lock, binaries, store), "kubernetes-cni", "rpm")
    assert [file.path for file in package.files if file.path.startswith("/opt")] == [
        *["/opt/cni", "/opt/cni/bin"],
        *[f"/opt/cni/bin/{name}" for name in ("bridge", "host-local", "loopback", "portmap")],
    ]


def test_a_plugin_of_ones_own_replaces_the_one_of_that_name(here, lock, binaries, store):
    (here / "kubeparcel.yaml").write_text(
        "packages: {kubernetes-cni: {files: [{path: /opt/cni/bin/bridge, text: patched}]}}"
    )
    package = only(described(lock, binaries, store), "kubernetes-cni", "deb")
    rows = [file for file in package.files if file.path == "/opt/cni/bin/bridge"]
    assert [row.sha256 for row in rows] == [hashlib.sha256(b"patched").hexdigest()]


def test_the_record_says_where_the_binaries_came_from(here, lock, binaries, store):
    package = only(described(lock, binaries, store), "kubectl", "deb")
    (row,) = [file for file in package.files if file.path.endswith("provenance.json")]
    kubectl = next(a for a in lock.artifacts if a.name == "kubectl")
    assert json.loads(store.path(row.sha256).read_text()) == {
        "package": "kubectl 1.36.3-1",
        "component": "kubernetes",
        "version": "1.36.3",
        "source": "upstream",
        "origins": [{"origin": kubectl.origin, "digest": kubectl.digest}],
        "binaries": {"kubectl": f"sha256:{binaries['kubernetes', Arch.AMD64]['kubectl']}"},
    }


def test_the_record_names_the_compiler_where_there_was_one(here, lock, binaries, store):
    from_go = dataclasses.replace(lock, source="go", toolchain="go1.26.8")
    package = only(described(from_go, binaries, store), "cri-tools", "deb")
    (row,) = [file for file in package.files if file.path.endswith("provenance.json")]
    record = json.loads(store.path(row.sha256).read_text())
    assert (record["source"], record["toolchain"]) == ("go", "go1.26.8")


def test_a_dynamic_binary_brings_its_library_as_a_dependency_and_a_static_one_does_not(
    here, lock, binaries, store
):
    """Read from the file: this Python's own `env`, linked with glibc as upstream's kubelet is."""
    dynamic = store.add_bytes(Path("/usr/bin/env").read_bytes())
    names = {**binaries["kubernetes", Arch.AMD64], "kubelet": dynamic}
    packages = described(lock, {**binaries, ("kubernetes", Arch.AMD64): names}, store)

    def needs(name: str, format_: str) -> list[str]:
        return [other for _, other in only(packages, name, format_).relations]

    assert [other for other in needs("kubelet", "deb") if other.startswith("libc6 (>= 2.")]
    assert "libc.so.6()(64bit)" in needs("kubelet", "rpm")
    assert not [other for other in needs("kubectl", "deb") if "libc" in other]


def test_a_binary_that_the_release_does_not_have_is_an_error(here, lock, binaries, store):
    """As when a line was taken out of kubeparcel.lock by hand."""
    names = {n: d for n, d in binaries["kubernetes", Arch.AMD64].items() if n != "kubectl"}
    with pytest.raises(ConfigurationError, match="kubectl"):
        described(lock, {**binaries, ("kubernetes", Arch.AMD64): names}, store)


# --- What decides the bytes ----------------------------------------------------------------------

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
}
FILE_CHANGES: dict[str, Any] = {
    "path": "/y",
    "mode": 0o600,
    "kind": "dir",
    "sha256": "1" * 64,
    "link": "/y",
    "config": True,
    "role": "doc",
}


def test_equal_packages_have_one_key():
    assert manifest_digest(dataclasses.replace(PACKAGE)) == manifest_digest(PACKAGE)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(PackageManifest)])
def test_the_key_changes_with_every_field_of_a_package(field):
    changed = dataclasses.replace(PACKAGE, **{field: CHANGES[field]})
    assert manifest_digest(changed) != manifest_digest(PACKAGE)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(ManifestFile)])
def test_the_key_changes_with_every_field_of_a_file(field):
    files = (dataclasses.replace(PACKAGE.files[0], **{field: FILE_CHANGES[field]}),)
    changed = dataclasses.replace(PACKAGE, files=files)
    assert manifest_digest(changed) != manifest_digest(PACKAGE)


def test_the_key_changes_with_nfpm(monkeypatch):
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
def test_the_keys_of_all_packages_change_with_what_matters_and_with_nothing_else(
    here, lock, binaries, store, monkeypatch, name, value, changed
):
    before = {manifest_digest(package) for package in described(lock, binaries, store)}
    monkeypatch.setenv(name, value)
    after = {manifest_digest(package) for package in described(lock, binaries, store)}
    assert after.isdisjoint(before) if changed else after == before


# --- Made, and not made again --------------------------------------------------------------------


def test_ten_packages_are_made_and_a_second_time_none(here, lock, binaries, store, monkeypatch):
    packages = described(lock, binaries, store)
    first = assembled(packages, store)
    assert [made.seconds > 0 for made in first] == [True] * 10
    monkeypatch.setattr(nfpm, "write_package", None)
    second = assembled(described(lock, binaries, store), store)
    assert [made.seconds for made in second] == [0] * 10
    assert [made.sha256 for made in second] == [made.sha256 for made in first]
    assert [made.size for made in second] == [store.path(m.sha256).stat().st_size for m in second]


def test_the_result_is_in_the_order_of_the_packages(here, lock, binaries, store):
    packages = described(lock, binaries, store, compression="fast")
    assembled(packages[3:5], store)
    assert [made.manifest for made in assembled(packages, store)] == packages


def remade(before: Sequence[PackageManifest], after: Sequence[PackageManifest]) -> set[str]:
    """Which packages would be made again, as `NAME FORMAT`."""
    known = {manifest_digest(package) for package in before}
    return {f"{p.name} {p.format}" for p in after if manifest_digest(p) not in known}


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
        (
            "LICENSE",
            {f"{p} rpm" for p in ("kubeadm", "kubelet", "kubectl", "kubernetes-cni", "cri-tools")},
        ),
        (
            "copyright",
            {f"{p} deb" for p in ("kubeadm", "kubelet", "kubectl", "kubernetes-cni", "cri-tools")},
        ),
    ],
)
def test_a_changed_template_has_only_the_packages_made_again_that_hold_it(
    here, lock, binaries, store, tmp_path, monkeypatch, changed, packages
):
    before = described(lock, binaries, store)
    copy = tmp_path / "templates"
    shutil.copytree(paths.template_dir(), copy)
    with (copy / "packages" / changed).open("a") as file:
        file.write("\n# changed\n")
    monkeypatch.setattr(paths, "template_dir", lambda: copy)
    monkeypatch.setattr(templates, "_environment", templates._environment.__wrapped__)
    assert remade(before, described(lock, binaries, store)) == packages


def test_a_changed_binary_has_only_its_package_made_again(here, lock, binaries, store):
    before = described(lock, binaries, store)
    names = dict(binaries["kubernetes", Arch.AMD64])
    names["kubectl"] = store.add_bytes(elf(content=b"another"))
    after = described(lock, {**binaries, ("kubernetes", Arch.AMD64): names}, store)
    assert remade(before, after) == {"kubectl deb", "kubectl rpm"}


def test_a_package_that_is_gone_from_the_store_is_made_again(here, lock, binaries, store):
    packages = described(lock, binaries, store, format="deb")[:2]
    first, _second = assembled(packages, store)
    store.path(first.sha256).unlink()
    again, kept = assembled(packages, store)
    assert (again.sha256, kept.seconds) == (first.sha256, 0)
    assert again.seconds > 0
    assert store.has(first.sha256)


def test_a_package_can_be_made_in_another_process(here, lock, binaries, store):
    """So work can be spread over machines: what is sent is a value."""
    packages = described(lock, binaries, store, format="rpm")[:2]
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        far = assemble(packages, store, RecordingLog(), pool)
    assert [made.manifest for made in far] == packages
    assert [store.has(made.sha256) for made in far] == [True, True]


def test_a_damaged_binary_is_an_error_is_set_aside_and_nothing_is_made(here, lock, binaries, store):
    packages = described(lock, binaries, store, format="deb")
    path = store.path(binaries["kubernetes", Arch.AMD64]["kubelet"])
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    with pytest.raises(DigestError, match="/usr/bin/kubelet") as caught:
        assembled(packages, store)
    assert not path.exists()
    (aside,) = (store.root / "quarantine").iterdir()
    assert aside.read_bytes() == b"damaged"
    assert str(aside) in caught.value.hint
    assert store.get_record("package", manifest_digest(packages[0])) is None
    assert not list((store.root / "scratch").iterdir())


def test_whoever_checks_the_packages_finds_out_what_damaged_them(lock, binaries, store):
    packages = described(lock, binaries, store, format="deb")
    path = store.path(binaries["kubernetes", Arch.AMD64]["kubelet"])
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    begun: list[BuiltPackage] = []
    with ThreadPoolExecutor(2) as pool:
        made = assemble(packages, store, RecordingLog(), pool, begun.append)
    assert {one.manifest.name for one in begun} == {one.manifest.name for one in made}
    wrong = [one for one in made if one.manifest.name == "kubelet"]
    with pytest.raises(DigestError, match="/usr/bin/kubelet"):
        blame_inputs(wrong, store)
    assert store.get_record("package", manifest_digest(wrong[0].manifest)) is None
    others = [one for one in made if one not in wrong]
    blame_inputs(others, store)


def test_a_file_that_is_gone_from_the_store_is_named_also_when_nothing_was_checked_first(
    lock, binaries, store
):
    packages = described(lock, binaries, store, format="deb")
    store.path(binaries["kubernetes", Arch.AMD64]["kubelet"]).unlink()
    with ThreadPoolExecutor(2) as pool, pytest.raises(DigestError, match="/usr/bin/kubelet"):
        assemble(packages, store, RecordingLog(), pool, lambda _: None)


# --- Reproducible --------------------------------------------------------------------------------

BUILD = """
import os, sys
from pathlib import Path
from kubeparcel.store import Store
from tests.conftest import locked, stored
from tests.build.test_assembler import assembled, described
os.umask(int(sys.argv[2], 8))
store, lock = Store(Path(sys.argv[1])), locked("1.37.0-rc.1")
for made in assembled(described(lock, stored(lock.artifacts, store), store), store):
    print(made.sha256, made.manifest.file_name)
"""


def built(folder: Path, umask: str, **env: str) -> str:
    """The digests of all packages, made in a process of its own in a folder of its own."""
    folder.mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-c", BUILD, folder / "cache", umask],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{ROOT}/packaging:{ROOT}", **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_same_inputs_give_the_same_bytes_elsewhere(tmp_path):
    """Under another path, umask, time zone, language, home and user name, and later."""
    one = built(tmp_path / "one", "022", TZ="UTC", LANG="C.UTF-8", LC_ALL="C.UTF-8")
    far = {"TZ": "Asia/Kathmandu", "LANG": "tr_TR.UTF-8", "LC_ALL": "C", "HOME": "/nowhere"}
    other = built(tmp_path / "a folder/ünïcode", "077", **far, USER="nobody", HOSTNAME="elsewhere")
    assert len(one.splitlines()) == 10
    assert other == one


# --- Seen by dpkg-deb and rpm --------------------------------------------------------------------


@pytest.fixture(scope="module")
def prerelease(tmp_path_factory):
    """All packages of 1.37.0-rc.1 and of 1.29.0 in the official layout, made once."""
    folder = tmp_path_factory.mktemp("made")
    store = Store(folder / "cache")
    made: list[BuiltPackage] = []
    with pytest.MonkeyPatch.context() as patch:
        isolate_environment(patch, folder / "cache")
        patch.chdir(folder)
        for version, layout in (("1.37.0-rc.1", "etc"), ("1.29.0", "official")):
            lock = locked(version)
            binaries = stored(lock.artifacts, store)
            flags = {"layout": layout, "compression": "fast"}
            made += assembled(described(lock, binaries, store, **flags), store)
    return {
        (m.manifest.name, str(m.manifest.format), m.manifest.version): store.path(m.sha256)
        for m in made
    }


KUBE = "1.37.0~rc.1"


@pytest.mark.parametrize("name", BINARIES["kubernetes"])
def test_a_prerelease_sorts_before_its_final_in_both_formats(prerelease, name):
    deb, rpm = prerelease[name, "deb", KUBE], prerelease[name, "rpm", KUBE]
    version = output("dpkg-deb", "-f", deb, "Version").strip()
    assert version == "1.37.0~rc.1-1"
    subprocess.run(["dpkg", "--compare-versions", version, "lt", "1.37.0-1"], check=True)
    found = output("rpm", "-qp", "--qf", "%{version}-%{release}", rpm)
    assert found == "1.37.0~rc.1-1"
    assert output("rpm", "--eval", "%{lua:print(rpm.vercmp('1.37.0~rc.1', '1.37.0'))}") == "-1\n"


def listed(deb: Path) -> dict[str, tuple[str, str, str]]:
    """A deb's files: mode, owner, time."""
    process = subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(process.stdout)) as archive:
        return {
            member.name.removeprefix("."): (
                oct(member.mode),
                f"{member.uid}:{member.gid}",
                str(int(member.mtime)),
            )
            for member in archive.getmembers()
        }


def test_a_deb_holds_its_files_with_their_modes_and_every_folder_above_them(prerelease):
    files = listed(prerelease["kubelet", "deb", KUBE])
    assert {path: mode for path, (mode, _, _) in files.items()} == {
        **dict.fromkeys(
            [
                *["/etc", "/etc/default", "/etc/kubernetes", "/etc/kubernetes/manifests", "/lib"],
                *["/lib/systemd", "/lib/systemd/system", "/usr", "/usr/bin", "/usr/share"],
                *["/usr/share/doc", "/usr/share/doc/kubelet", "/var", "/var/lib"],
                *["/var/lib/kubelet", "/usr/bin/kubelet"],
            ],
            "0o755",
        ),
        **dict.fromkeys(
            [
                *["/etc/default/kubelet", "/lib/systemd/system/kubelet.service"],
                "/usr/share/doc/kubelet/copyright",
                "/usr/share/doc/kubelet/provenance.json",
                "/usr/share/doc/kubelet/changelog.Debian.gz",
            ],
            "0o644",
        ),
    }
    assert {owner for _, owner, _ in files.values()} == {"0:0"}


def test_an_rpm_holds_its_files_with_modes_owners_and_marks(prerelease):
    form = (
        r"[%{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILEFLAGS:fflags} %{FILENAMES}\n]"
    )
    lines = output("rpm", "-qp", "--qf", form, prerelease["kubelet", "rpm", KUBE]).splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        "drwxr-xr-x root:root /etc/kubernetes",
        "drwxr-xr-x root:root /etc/kubernetes/manifests",
        "-rw-r--r-- root:root cn /etc/sysconfig/kubelet",
        "-rwxr-xr-x root:root /usr/bin/kubelet",
        "-rw-r--r-- root:root /usr/lib/systemd/system/kubelet.service",
        "drwxr-xr-x root:root /usr/share/doc/kubelet",
        "-rw-r--r-- root:root d /usr/share/doc/kubelet/provenance.json",
        "drwxr-xr-x root:root /usr/share/licenses/kubelet",
        "-rw-r--r-- root:root l /usr/share/licenses/kubelet/LICENSE",
        "drwxr-xr-x root:root /var/lib/kubelet",
    ]


def control(deb: Path, name: str) -> str | None:
    """A control file of a deb, or None."""
    done = subprocess.run(
        ["dpkg-deb", "-I", deb, name], capture_output=True, text=True, check=False
    )
    return done.stdout if done.returncode == 0 else None


@pytest.mark.parametrize(
    ("package", "version", "conffiles"),
    [
        ("kubeadm", KUBE, ["/etc/systemd/system/kubelet.service.d/10-kubeadm.conf"]),
        ("kubeadm", "1.29.0", []),
        ("kubelet", KUBE, ["/etc/default/kubelet"]),
        ("kubelet", "1.29.0", ["/etc/default/kubelet"]),
        ("kubectl", KUBE, []),
        ("kubernetes-cni", "1.9.1", []),
        ("cri-tools", "1.36.0", []),
    ],
)
def test_only_what_an_administrator_edits_is_a_conffile(prerelease, package, version, conffiles):
    found = control(prerelease[package, "deb", version], "conffiles") or ""
    assert found.split() == conffiles


def test_the_md5sums_of_a_deb_are_right(prerelease, tmp_path):
    deb = prerelease["kubeadm", "deb", KUBE]
    subprocess.run(["dpkg-deb", "-x", deb, tmp_path / "root"], check=True)
    sums = control(deb, "md5sums")
    assert sums
    (tmp_path / "md5sums").write_text(sums)
    done = subprocess.run(
        ["md5sum", "-c", tmp_path / "md5sums"],
        cwd=tmp_path / "root",
        capture_output=True,
        text=True,
        check=True,
    )
    files = [path for path in (tmp_path / "root").rglob("*") if path.is_file()]
    assert len(done.stdout.splitlines()) == len(files) == 7


@pytest.mark.parametrize(
    ("package", "version", "scripts"),
    [
        ("kubeadm", KUBE, {"postinst", "postrm"}),
        ("kubeadm", "1.29.0", {"preinst", "postinst", "postrm"}),
        ("kubelet", KUBE, {"postinst", "prerm", "postrm"}),
        ("kubectl", KUBE, set()),
    ],
)
def test_a_deb_has_these_scriptlets(prerelease, package, version, scripts):
    deb = prerelease[package, "deb", version]
    there = {name for name in ("preinst", "postinst", "prerm", "postrm") if control(deb, name)}
    assert there == scripts
    for name in scripts:
        assert (control(deb, name) or "").startswith("#!/bin/sh\nset -e\n")


@pytest.mark.parametrize(
    ("package", "version", "kinds"),
    [
        ("kubeadm", KUBE, ["postinstall", "postuninstall"]),
        ("kubelet", KUBE, ["postinstall", "postuninstall", "preuninstall"]),
        ("kubectl", KUBE, []),
    ],
)
def test_an_rpm_has_these_scriptlets_and_needs_the_shell_for_them(
    prerelease, package, version, kinds
):
    rpm = prerelease[package, "rpm", version]
    said = output("rpm", "-qp", "--scripts", rpm).splitlines()
    heads = [line for line in said if "scriptlet (using /bin/sh)" in line]
    assert sorted(head.split()[0] for head in heads) == kinds
    assert ("/bin/sh" in output("rpm", "-qpR", rpm).splitlines()) is bool(kinds)


def test_the_relations_of_the_kubelet_in_each_formats_notation(prerelease):
    deb, rpm = prerelease["kubelet", "deb", KUBE], prerelease["kubelet", "rpm", KUBE]
    assert output("dpkg-deb", "-f", deb, "Depends", "Recommends") == (
        "Depends: kubernetes-cni (>= 1.2.0), mount, util-linux\nRecommends: iptables (>= 1.8.4)\n"
    )
    needs = [line for line in output("rpm", "-qpR", rpm).splitlines() if "rpmlib" not in line]
    assert needs == ["kubernetes-cni >= 1.2.0", "util-linux", "/bin/sh"]
    assert output("rpm", "-qp", "--recommends", rpm) == "iptables >= 1.8.4\n"


def test_the_relations_of_an_old_kubeadm_in_each_formats_notation(prerelease):
    deb, rpm = prerelease["kubeadm", "deb", "1.29.0"], prerelease["kubeadm", "rpm", "1.29.0"]
    assert output("dpkg-deb", "-f", deb, "Depends") == (
        "kubelet (>= 1.19.0), kubelet (<< 1.30~), kubectl (>= 1.19.0), kubectl (<< 1.31~), "
        "kubernetes-cni (>= 1.2.0), cri-tools (>= 1.28.0)\n"
    )
    needs = [line for line in output("rpm", "-qpR", rpm).splitlines() if "rpmlib" not in line]
    assert needs == [
        *["kubelet >= 1.19.0", "kubelet < 1.30~", "kubectl >= 1.19.0", "kubectl < 1.31~"],
        *["kubernetes-cni >= 1.2.0", "cri-tools >= 1.28.0", "/bin/sh"],
    ]


@pytest.mark.parametrize("package", ["kubeadm", "kubelet", "kubectl"])
def test_an_rpm_says_who_packaged_what_under_which_licence(prerelease, package):
    rpm = prerelease[package, "rpm", KUBE]
    form = "%{license}|%{url}|%{packager}|%{vendor}|%{buildhost}|%{arch}"
    assert output("rpm", "-qp", "--qf", form, rpm) == (
        "Apache-2.0|https://kubernetes.io|kubeparcel <noreply@kubeparcel.invalid>|kubeparcel|"
        "localhost|x86_64"
    )


def test_the_digests_of_every_rpm_are_right(prerelease):
    rpms = [path for (_, format_, _), path in prerelease.items() if format_ == "rpm"]
    assert output("rpm", "-K", "--nosignature", *rpms).count(": digests OK") == len(rpms)
