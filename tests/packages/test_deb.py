"""Debs made by nfpm and dpkg-deb are read as dpkg-deb reads them."""

from __future__ import annotations

import hashlib
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kubeparcel.packages import reader
from kubeparcel.packages.model import FileType, PackageContents, PackageEntry
from tests.packages.conftest import TIME, output, read
from tests.support.archive_builders import deb, member, tar_archive

CONTROL = """\
Package: tree
Version: 2:1.0~rc.1-3
Architecture: all
Maintainer: Somebody <somebody@example.org>
Section: admin
Homepage: https://example.org
Depends: a(>=1.0),  b | c (<<2),
 d:any
Pre-Depends: e
Breaks: f (<< 1)
Description: one line
 first
 .
 last
"""
FILES = {
    "DEBIAN/control": CONTROL,
    "DEBIAN/postinst": "#!/bin/sh -e\nexit 0\n",
    "DEBIAN/conffiles": "/etc/default/tree\n",
    "etc/default/tree": "A=\n",
    "usr/bin/tree": "#!/bin/sh\n",
    "usr/share/doc/tree/changelog.gz": "",
    f"usr/share/{'long-' * 40}name": "text\n",
}


def listing(entry: PackageEntry) -> str:
    """One line as `dpkg-deb --contents` prints it, without its padding."""
    kind = {FileType.FILE: "-", FileType.DIR: "d", FileType.SYMLINK: "l"}[entry.kind]
    mode = kind + stat.filemode(entry.mode)[1:]
    when = datetime.fromtimestamp(entry.mtime, UTC).strftime("%Y-%m-%d %H:%M")
    slash = "/" if entry.kind is FileType.DIR else ""
    target = f" -> {entry.target}" if entry.target else ""
    owner = f"{entry.owner}/{entry.group}"
    return f"{mode} {owner} {entry.size} {when} .{entry.path}{slash}{target}"


def listed(file: Path) -> list[str]:
    lines = [" ".join(line.split()) for line in output("dpkg-deb", "--contents", file).splitlines()]
    return sorted(line for line in lines if not line.endswith(" ./"))


def same_as_dpkg(package: PackageContents) -> bool:
    return sorted(map(listing, package.entries)) == listed(package.file)


@pytest.mark.parametrize("compression", ["none", "gzip", "xz", "zstd:3"])
def test_a_deb_of_nfpm_lists_as_dpkg_deb_lists_it(nfpm, compression):
    link = {"src": "bin/a", "dst": "/usr/a", "type": "symlink"}
    extra = {"contents": [link], "deb": {"compression": compression}}
    package = reader.read_package(nfpm("deb", {"/usr/bin/a": "a\n", "/usr/bin/b": "b\n"}, **extra))
    assert same_as_dpkg(package)
    assert package.compression == compression.partition(":")[0]
    assert package.zstd_frames == (1 if package.compression == "zstd" else 0)
    assert package.verified == ("md5sums",)
    assert package.faults == ()


@pytest.mark.parametrize("compression", ["none", "gzip", "xz", "zstd"])
def test_a_deb_of_dpkg_deb_lists_as_dpkg_deb_lists_it(dpkg_deb, compression):
    package = reader.read_package(dpkg_deb(FILES, f"-Z{compression}"))
    assert same_as_dpkg(package)
    assert package.compression == compression
    assert package.build_time == TIME
    assert package.faults == ()


def test_fields_are_those_that_dpkg_deb_shows(dpkg_deb):
    file = dpkg_deb(FILES)
    package = reader.read_package(file)
    pieces = f"{package.epoch}:{package.version}-{package.revision}"
    expected = {
        "Package": package.name,
        "Version": pieces,
        "Architecture": package.arch,
        "Maintainer": package.maintainer,
        "Section": package.section,
        "Homepage": package.homepage,
    }
    for field, value in expected.items():
        assert output("dpkg-deb", "--field", file, field).strip() == value
    assert package.summary == "one line"
    assert package.description == "first\n\nlast"


def test_relations_have_one_notation_however_they_were_written(dpkg_deb):
    assert reader.read_package(dpkg_deb(FILES)).relations == {
        "depends": ("a (>= 1.0)", "b | c (<< 2)", "d:any"),
        "pre-depends": ("e",),
        "breaks": ("f (<< 1)",),
    }


def test_scripts_come_with_their_interpreter(dpkg_deb):
    scripts = reader.read_package(dpkg_deb(FILES)).scripts
    assert list(scripts) == ["postinst"]
    assert scripts["postinst"].interpreter == "/bin/sh -e"
    assert scripts["postinst"].body == FILES["DEBIAN/postinst"]


def test_only_conffiles_are_configuration(dpkg_deb):
    package = reader.read_package(dpkg_deb(FILES))
    assert [entry.path for entry in package.entries if entry.is_conffile] == ["/etc/default/tree"]


def test_a_file_has_the_digest_and_the_bytes_that_went_in(nfpm):
    large = bytes(range(256)) * 300
    package = reader.read_package(nfpm("deb", {"/usr/a": "small\n", "/usr/b": large}))
    small, big = package.entry("/usr/a"), package.entry("/usr/b")
    assert small.text == "small\n"
    assert big.data is None
    assert big.sha256 == hashlib.sha256(large).hexdigest()
    assert package.size == package.file.stat().st_size


def test_a_deb_without_md5sums_is_not_verified_and_not_wrong(dpkg_deb):
    package = reader.read_package(dpkg_deb(FILES))
    assert package.verified == ()
    assert package.faults == ()


def test_md5sums_that_differ_from_the_payload_are_faults(dpkg_deb):
    sums = f"{'0' * 32}  usr/bin/tree\n{'1' * 32}  usr/bin/gone\n"
    package = reader.read_package(dpkg_deb({**FILES, "DEBIAN/md5sums": sums}))
    right = hashlib.md5(FILES["usr/bin/tree"].encode()).hexdigest()
    wrong, gone, *unlisted = package.faults
    assert wrong == f"/usr/bin/tree: its MD5 in md5sums is {'0' * 32}, in the payload {right}"
    assert gone == "/usr/bin/gone is in md5sums, but is not a file in the payload"
    assert all(fault.endswith("is in the payload, but not in md5sums") for fault in unlisted)
    assert len(unlisted) == 2
    assert package.verified == ()


def test_an_installed_size_that_is_far_off_is_a_fault(dpkg_deb):
    control = CONTROL.replace("Section:", "Installed-Size: 5000\nSection:")
    (fault,) = reader.read_package(dpkg_deb({**FILES, "DEBIAN/control": control})).faults
    assert fault.startswith("Installed-Size is 5,120,000 bytes")


@pytest.mark.parametrize(("files", "has_changelog"), [(FILES, True), ({"DEBIAN/control": CONTROL}, False)])
def test_changelog_is_found_at_its_usual_path(dpkg_deb, files, has_changelog):
    assert reader.read_package(dpkg_deb(files)).has_changelog is has_changelog


def test_a_package_without_files_is_a_package(nfpm):
    package = reader.read_package(nfpm("deb", {}))
    assert not [entry for entry in package.entries if entry.kind is FileType.FILE]
    assert package.faults == ()


def test_setuid_and_owners_are_kept(nfpm):
    info = {"mode": 0o4755, "owner": "daemon", "group": "adm"}
    source = {"src": __file__, "dst": "/usr/bin/su", "file_info": info}
    entry = reader.read_package(nfpm("deb", {}, contents=[source])).entry("/usr/bin/su")
    assert (entry.mode, entry.owner, entry.group) == (0o4755, "daemon", "adm")


def test_long_names_with_pax_headers_are_whole(tmp_path):
    name = "usr/" + "long-" * 60 + "name"
    payload = tar_archive({f"./{name}": b"a"}, "w")
    assert read(tmp_path, deb(payload=("data.tar", payload))).entry(f"/{name}")


def test_a_hard_link_shares_the_digest_of_its_file(tmp_path):
    link = member("./usr/b", kind=b"1", linkname="./usr/a")
    package = read(tmp_path, deb(member("./usr/a", b"data"), link))
    file, hard = package.entries
    assert (hard.kind, hard.target) == (FileType.HARDLINK, "/usr/a")
    assert (hard.sha256, hard.size) == (file.sha256, 4)
    assert package.faults == ()


def test_a_signature_member_is_named(tmp_path):
    package = read(tmp_path, deb(more=[("_gpgorigin", b"-----BEGIN")]))
    assert package.signatures == ("_gpgorigin",)
    assert package.faults == ()
