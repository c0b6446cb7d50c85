"""A machine's files become the same layer whenever they are the same, and tell nothing of it."""

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
    """The layer of an export with these entries, in this order."""

    def make(
        *entries: tuple[tarfile.TarInfo, bytes], rules: RootFilesystemRules | None = None
    ) -> Path:
        with tarfile.open(tmp_path / "root.tar", "w", format=tarfile.PAX_FORMAT) as tar:
            for entry, data in entries:
                tar.addfile(entry, io.BytesIO(data))
        target = tmp_path / "layer.tar"
        root_filesystem_layer(
            tmp_path / "root.tar", target, rules or RootFilesystemRules(), RELEASED
        )
        return target

    return make


def listed(path: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(path) as tar:
        return {entry.name: entry for entry in tar}


def data(path: Path, name: str) -> bytes:
    with tarfile.open(path) as tar:
        found = tar.extractfile(name)
        assert found
        return found.read()


def test_the_order_and_the_hour_of_an_export_leave_no_trace(layer):
    first = layer(folder("etc/"), file("etc/b", b"2"), file("etc/a", b"1")).read_bytes()
    later = [file("etc/a", b"1", mtime=RELEASED + 5), file("etc/b", b"2", mtime=RELEASED + 6.5)]
    second = layer(*later, folder("./etc", mtime=RELEASED + 7, uname="root", gname="root"))
    assert second.read_bytes() == first
    assert list(listed(second)) == ["etc", "etc/a", "etc/b"]


def test_what_is_older_than_the_release_keeps_its_date_and_numbers_stay(layer):
    found = listed(layer(file("a", mtime=5, uid=101, gid=102, mode=0o4755), file("b")))
    old = found["a"]
    assert (old.mtime, old.uid, old.gid, old.mode) == (5, 101, 102, 0o4755)
    assert found["b"].mtime == RELEASED


def test_extended_attributes_stay_but_for_selinuxs_labels(layer):
    capability = {"SCHILY.xattr.security.capability": "\x01\udc80\x00\x02", "atime": "7.5"}
    label = {"SCHILY.xattr.security.selinux": "system_u"}
    found = listed(layer(file("ping", pax_headers=capability), file("x", pax_headers=label)))
    assert found["ping"].pax_headers["SCHILY.xattr.security.capability"] == "\x01\udc80\x00\x02"
    assert "atime" not in found["ping"].pax_headers
    assert not found["x"].pax_headers


def test_a_file_with_two_names_has_its_bytes_under_the_first(layer):
    found = layer(file("z", b"same"), hardlink("a", "z"), hardlink("m", "z"))
    rows = listed(found)
    assert rows["a"].isreg()
    assert data(found, "a") == b"same"
    assert [(rows[n].islnk(), rows[n].linkname) for n in ("m", "z")] == [(True, "a"), (True, "a")]


def test_a_file_whose_first_name_is_left_out_keeps_its_bytes(layer):
    entries = [file("cache/x", b"same"), hardlink("usr/x", "cache/x"), hardlink("usr/y", "cache/x")]
    found = layer(*entries, rules=RootFilesystemRules(exclude=("cache",)))
    assert data(found, "usr/x") == b"same"
    assert listed(found)["usr/y"].linkname == "usr/x"


def test_making_it_twice_over_changes_nothing(layer, tmp_path):
    first = layer(folder("b/"), file("b/y", b"1"), hardlink("a", "b/y"), file("l" * 150, b"long"))
    root_filesystem_layer(first, tmp_path / "again.tar", RootFilesystemRules(), RELEASED)
    assert (tmp_path / "again.tar").read_bytes() == first.read_bytes()


def test_what_is_left_out_goes_by_its_place(layer):
    rules = RootFilesystemRules(
        exclude=("old", "*.pyc"), keep_dir_only=("run",), drop_files=("log",), truncate=("id",)
    )
    found = layer(
        *(folder("old"), file("old/x"), file("lib/a.pyc"), folder("run"), folder("run/lock")),
        *(folder("log"), folder("log/apt"), file("log/apt/x"), file("older"), file("id", b"7")),
        rules=rules,
    )
    assert list(listed(found)) == ["id", "log", "log/apt", "older", "run"]
    assert listed(found)["id"].size == 0


@pytest.mark.parametrize(
    "path",
    [
        *("var/log/dpkg.log", "var/log/apt/history.log", "var/cache/ldconfig/aux-cache"),
        *("run/systemd/x", "tmp/x", "var/lib/systemd/random-seed", "var/lib/dbus/machine-id"),
        *("packages/kubelet.deb", "var/lib/kubeparcel/pool/x.deb", "var/lib/dnf/history.sqlite"),
    ],
)
def test_a_nodes_image_has_no_logs_caches_or_seeds(layer, path):
    assert listed(layer(file(path, b"x"), rules=RULES)) == {}


@pytest.mark.parametrize("path", ["etc/machine-id", "etc/hostname", "etc/hosts", "etc/resolv.conf"])
def test_a_nodes_image_has_no_name_and_number(layer, path):
    found = listed(layer(file(path, b"x", mode=0o755), rules=RULES))
    assert (found[path].size, found[path].mode) == (0, 0o644)


@pytest.mark.parametrize(
    "path",
    [
        *("etc/kubernetes/manifests/x", "var/lib/dpkg/status", "var/lib/rpm/rpmdb.sqlite"),
        *("usr/bin/kubelet", "opt/cni/bin/bridge", "etc/systemd/system/kubelet.service.d/x.conf"),
    ],
)
def test_a_nodes_image_has_what_packages_put_there(layer, path):
    assert data(layer(file(path, b"x"), rules=RULES), path) == b"x"
