"""Reproducible layers from exported root file systems."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from kubeparcel.images.layers import RootFilesystemRules, root_filesystem_layer
from kubeparcel.images.node_image import RULES

RELEASED = 1_784_743_658


def file(name: str, data: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime = len(data), RELEASED + 999
    for key, value in fields.items():
        setattr(entry, key, value)
    return entry, data


def folder(name: str, **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    return file(name, type=tarfile.DIRTYPE, mode=0o755, **fields)


def hardlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return file(name, type=tarfile.LNKTYPE, linkname=target)


@pytest.fixture
def layer(tmp_path):
    """Return a function that exports entries in their order and writes the layer."""

    def make(*entries: tuple[tarfile.TarInfo, bytes], rules: RootFilesystemRules | None = None) -> Path:
        with tarfile.open(tmp_path / "root.tar", "w", format=tarfile.PAX_FORMAT) as tar:
            for entry, data in entries:
                tar.addfile(entry, io.BytesIO(data))
        target = tmp_path / "layer.tar"
        root_filesystem_layer(tmp_path / "root.tar", target, rules or RootFilesystemRules(), RELEASED)
        return target

    return make


def listed(path: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(path) as tar:
        return {entry.name: entry for entry in tar}


def data(path: Path, name: str) -> bytes:
    with tarfile.open(path) as tar:
        return tar.extractfile(name).read()


def test_the_layer_does_not_depend_on_the_exports_order_and_time(layer):
    first = layer(folder("etc/"), file("etc/b", b"2"), file("etc/a", b"1")).read_bytes()
    later = [file("etc/a", b"1", mtime=RELEASED + 5), file("etc/b", b"2", mtime=RELEASED + 6.5)]
    second = layer(*later, folder("./etc", mtime=RELEASED + 7, uname="root", gname="root"))
    assert second.read_bytes() == first
    assert list(listed(second)) == ["etc", "etc/a", "etc/b"]


def test_older_times_owners_and_modes_are_kept(layer):
    entries = listed(layer(file("a", mtime=5, uid=101, gid=102, mode=0o4755), file("b")))
    old = entries["a"]
    assert (old.mtime, old.uid, old.gid, old.mode) == (5, 101, 102, 0o4755)
    assert entries["b"].mtime == RELEASED


def test_extended_attributes_are_kept_except_selinux_labels(layer):
    capability = {"SCHILY.xattr.security.capability": "\x01\udc80\x00\x02", "atime": "7.5"}
    label = {"SCHILY.xattr.security.selinux": "system_u"}
    entries = listed(layer(file("ping", pax_headers=capability), file("x", pax_headers=label)))
    assert entries["ping"].pax_headers["SCHILY.xattr.security.capability"] == "\x01\udc80\x00\x02"
    assert "atime" not in entries["ping"].pax_headers
    assert not entries["x"].pax_headers


def test_the_first_name_of_a_hard_linked_file_has_its_data(layer):
    layer_tar = layer(file("z", b"same"), hardlink("a", "z"), hardlink("m", "z"))
    entries = listed(layer_tar)
    assert entries["a"].isreg()
    assert data(layer_tar, "a") == b"same"
    assert [(entries[n].islnk(), entries[n].linkname) for n in ("m", "z")] == [(True, "a"), (True, "a")]


def test_a_hard_linked_file_whose_first_name_is_excluded_keeps_its_data(layer):
    entries = [file("cache/x", b"same"), hardlink("usr/x", "cache/x"), hardlink("usr/y", "cache/x")]
    layer_tar = layer(*entries, rules=RootFilesystemRules(exclude=("cache",)))
    assert data(layer_tar, "usr/x") == b"same"
    assert listed(layer_tar)["usr/y"].linkname == "usr/x"


def test_the_layer_of_a_layer_is_identical(layer, tmp_path):
    first = layer(folder("b/"), file("b/y", b"1"), hardlink("a", "b/y"), file("l" * 150, b"long"))
    root_filesystem_layer(first, tmp_path / "again.tar", RootFilesystemRules(), RELEASED)
    assert (tmp_path / "again.tar").read_bytes() == first.read_bytes()


def test_rules_exclude_entries_by_path(layer):
    rules = RootFilesystemRules(exclude=("old", "*.pyc"), keep_dir_only=("run",), drop_files=("log",), truncate=("id",))
    layer_tar = layer(
        *(folder("old"), file("old/x"), file("lib/a.pyc"), folder("run"), folder("run/lock")),
        *(folder("log"), folder("log/apt"), file("log/apt/x"), file("older"), file("id", b"7")),
        rules=rules,
    )
    assert list(listed(layer_tar)) == ["id", "log", "log/apt", "older", "run"]
    assert listed(layer_tar)["id"].size == 0


@pytest.mark.parametrize(
    "path",
    [
        *("var/log/dpkg.log", "var/log/apt/history.log", "var/cache/ldconfig/aux-cache"),
        *("run/systemd/x", "tmp/x", "var/lib/systemd/random-seed", "var/lib/dbus/machine-id"),
        *("packages/kubelet.deb", "var/lib/kubeparcel/pool/x.deb", "var/lib/dnf/history.sqlite"),
    ],
)
def test_a_node_image_has_no_logs_caches_or_random_seeds(layer, path):
    assert listed(layer(file(path, b"x"), rules=RULES)) == {}


@pytest.mark.parametrize("path", ["etc/machine-id", "etc/hostname", "etc/hosts", "etc/resolv.conf"])
def test_a_node_image_has_no_hostname_and_machine_id(layer, path):
    entries = listed(layer(file(path, b"x", mode=0o755), rules=RULES))
    assert (entries[path].size, entries[path].mode) == (0, 0o644)


@pytest.mark.parametrize(
    "path",
    [
        *("etc/kubernetes/manifests/x", "var/lib/dpkg/status", "var/lib/rpm/rpmdb.sqlite"),
        *("usr/bin/kubelet", "opt/cni/bin/bridge", "etc/systemd/system/kubelet.service.d/x.conf"),
    ],
)
def test_a_node_image_keeps_the_files_of_packages(layer, path):
    assert data(layer(file(path, b"x"), rules=RULES), path) == b"x"
