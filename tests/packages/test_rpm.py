"""RPMs by nfpm and rpmbuild are read as rpm reads them."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import pytest

from kubeparcel.packages import reader
from kubeparcel.packages.model import FileType, PackageContents, PackageEntry, Script
from tests.packages.conftest import TIME, output, read, rpmbuild
from tests.support.archive_builders import File, rpm

SPEC = """\
Name: small
Epoch: 3
Version: 1.0~rc1
Release: 2
Summary: one line
License: MIT
URL: https://example.org
Vendor: Somebody
Packager: Somebody <somebody@example.org>
Group: System
Requires: foo >= 1.2, (a or b), /bin/true
Requires(post): poster
Recommends: bar < 3
Suggests: suggested
Supplements: supplemented
Enhances: enhanced > 2
Conflicts: baz = 1
Obsoletes: old <= 2
Provides: other = 9
%description
first

last
%install
mkdir -p %{buildroot}/etc %{buildroot}/usr/bin %{buildroot}/usr/share
echo a > %{buildroot}/etc/a
ln %{buildroot}/etc/a %{buildroot}/etc/b
echo ghost > %{buildroot}/etc/ghost
echo doc > %{buildroot}/usr/share/doc.txt
echo license > %{buildroot}/usr/share/license.txt
echo c > %{buildroot}/usr/bin/caps
ln -s caps %{buildroot}/usr/bin/link
%files
%config(noreplace) /etc/a
%config /etc/b
%ghost /etc/ghost
%doc /usr/share/doc.txt
%license /usr/share/license.txt
%attr(4755,daemon,adm) %caps(cap_net_raw=ep) /usr/bin/caps
/usr/bin/link
%dir %attr(0700,root,root) /usr/bin
%pre
echo pre
%post -p /sbin/ldconfig
%preun -p <lua>
print("lua")
%triggerin -- foo
echo trigger
%filetriggerin -- /usr
echo filetrigger
%transfiletriggerin -- /usr
echo transfiletrigger
%changelog
* Tue Nov 14 2023 Somebody <somebody@example.org> - 3:1.0~rc1-2
- note
"""
MACROS = ("_buildhost host.example.org", "use_source_date_epoch_as_buildtime 1")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> PackageContents:
    """Return the package of the spec."""
    return reader.read_package(rpmbuild(tmp_path_factory.mktemp("rpm"), SPEC, *MACROS))


def dump(entry: PackageEntry) -> str:
    """One line as `rpm --dump` prints it, without the last fields."""
    types = {FileType.DIR: stat.S_IFDIR, FileType.SYMLINK: stat.S_IFLNK}
    mode = types.get(entry.kind, stat.S_IFREG) | entry.mode
    stored = entry.kind in (FileType.FILE, FileType.HARDLINK) and "ghost" not in entry.flags
    return (
        f"{entry.path} {entry.mtime} {entry.sha256 if stored else '0' * 64} "
        f"0{mode:o} {entry.owner} {entry.group} "
        f"{int('config' in entry.flags)} {int('doc' in entry.flags)} "
        f"{entry.target if entry.kind is FileType.SYMLINK else 'X'}"
    )


def dumped(file: Path) -> list[str]:
    """The same of rpm itself: path, time, digest, mode, owner, group, config, doc, target."""
    lines = [line.split() for line in output("rpm", "-qp", "--dump", file).splitlines()]
    return [" ".join((path, *rest[1:8], rest[9])) for path, *rest in lines]


def same_as_rpm(package: PackageContents) -> bool:
    return [dump(entry) for entry in package.entries] == dumped(package.file)


def query(file: Path, tags: str) -> str:
    return output("rpm", "-qp", "--nosignature", "--queryformat", tags, file)


@pytest.mark.parametrize("compression", ["zstd:3", "gzip", "xz", "lzma"])
def test_an_rpm_of_nfpm_lists_as_rpm_lists_it(nfpm, compression):
    link = {"src": "bin/a", "dst": "/usr/a", "type": "symlink"}
    conf = {"src": __file__, "dst": "/etc/conf", "type": "config|noreplace"}
    folder = {"dst": "/var/lib/small", "type": "dir", "file_info": {"mode": 0o700}}
    extra = {"contents": [link, conf, folder], "rpm": {"compression": compression}}
    package = reader.read_package(nfpm("rpm", {"/usr/bin/a": "a\n", "/usr/bin/b": "b\n"}, **extra))
    assert same_as_rpm(package)
    assert package.compression == compression.partition(":")[0]
    assert package.faults == ()
    assert {"PAYLOADDIGEST", "SHA256HEADER", "FILEDIGESTS"} <= set(package.verified)


@pytest.mark.parametrize(
    ("payload", "compression"),
    [
        ("w3.zstdio", "zstd"),
        ("w6.gzdio", "gzip"),
        ("w2.xzdio", "xz"),
        ("w6.bzdio", "bzip2"),
        ("w2.lzdio", "lzma"),
        ("w.ufdio", "none"),
    ],
)
def test_an_rpm_of_rpmbuild_lists_as_rpm_lists_it(tmp_path, payload, compression):
    package = reader.read_package(rpmbuild(tmp_path, SPEC, f"_binary_payload {payload}", *MACROS))
    assert same_as_rpm(package)
    assert package.compression == compression
    assert package.faults == ()
    assert package.verified == (
        "SHA256HEADER",
        "SHA1HEADER",
        "SIGMD5",
        "SIGSIZE",
        "PAYLOADSIZE",
        "PAYLOADDIGEST",
        "PAYLOADDIGESTALT",
        "FILEDIGESTS",
    )


def test_header_fields_are_those_that_rpm_shows(package):
    expected = {
        "name": package.name,
        "epoch": str(package.epoch),
        "version": package.version,
        "release": package.revision,
        "arch": package.arch,
        "summary": package.summary,
        "description": package.description,
        "license": package.license,
        "url": package.homepage,
        "vendor": package.vendor,
        "packager": package.maintainer,
        "group": package.section,
        "buildhost": package.build_host,
        "buildtime": str(package.build_time),
    }
    for tag, value in expected.items():
        assert query(package.file, f"%{{{tag}}}") == value
    assert (package.build_host, package.build_time) == ("host.example.org", TIME)
    assert package.has_changelog


def test_relations_are_written_as_in_debs(package):
    assert package.relations == {
        "depends": ("(a or b)", "/bin/true", "foo (>= 1.2)", "poster"),
        "recommends": ("bar (<< 3)",),
        "suggests": ("suggested",),
        "supplements": ("supplemented",),
        "enhances": ("enhanced (>> 2)",),
        "conflicts": ("baz (= 1)",),
        "obsoletes": ("old (<= 2)",),
        "provides": ("other (= 9)",),
    }


def test_relations_added_by_rpmbuild_are_automatic(package):
    automatic = package.automatic_relations
    assert "small (= 3:1.0~rc1-2)" in automatic["provides"]
    assert {"/bin/sh", "/sbin/ldconfig", "config(small) (= 3:1.0~rc1-2)"} <= {*automatic["depends"]}
    assert "rpmlib(FileCaps) (<= 4.6.1-1)" in automatic["depends"]
    assert set(automatic) == {"depends", "provides"}


def test_no_relation_is_lost(package):
    relations = {*package.relations["depends"], *package.automatic_relations["depends"]}
    needs = query(package.file, "[%{REQUIRENAME} (%{REQUIREFLAGS:depflags} %{REQUIREVERSION})\n]")
    assert relations == {need.removesuffix(" ( )") for need in needs.splitlines()}


def test_scripts_and_triggers_come_with_their_interpreter(package):
    assert package.scripts == {
        "pre": Script("/bin/sh", "echo pre"),
        "post": Script("/sbin/ldconfig", ""),
        "preun": Script("<lua>", 'print("lua")'),
        "trigger 1": Script("/bin/sh", "echo trigger"),
        "filetrigger 1": Script("/bin/sh", "echo filetrigger"),
        "transfiletrigger 1": Script("/bin/sh", "echo transfiletrigger"),
    }


def test_files_have_the_flags_of_the_spec(package):
    assert {entry.path: set(entry.flags) for entry in package.entries if entry.flags} == {
        "/etc/a": {"config", "noreplace"},
        "/etc/b": {"config"},
        "/etc/ghost": {"ghost"},
        "/usr/share/doc.txt": {"doc"},
        "/usr/share/license.txt": {"license"},
    }


def test_setuid_owners_and_capabilities_are_kept(package):
    entry = package.entry("/usr/bin/caps")
    assert (entry.mode, entry.owner, entry.group) == (0o4755, "daemon", "adm")
    assert entry.capabilities == "cap_net_raw=ep"


def test_hard_links_name_the_file_that_has_the_bytes(package):
    links = [entry for entry in package.entries if entry.kind is FileType.HARDLINK]
    assert [(entry.path, entry.target) for entry in links] == [("/etc/a", "/etc/b")]
    assert links[0].sha256 == hashlib.sha256(b"a\n").hexdigest()


def test_a_ghost_has_no_digest(package):
    ghost = package.entry("/etc/ghost")
    assert (ghost.sha256, ghost.data) == ("", None)


def test_file_digests_of_older_kinds_are_verified(tmp_path):
    package = reader.read_package(rpmbuild(tmp_path, SPEC, "_binary_filedigest_algorithm 1"))
    assert "FILEDIGESTS" in package.verified
    assert package.faults == ()


def test_dependencies_given_to_nfpm_are_not_automatic(nfpm):
    libc = "libc.so.6(GLIBC_2.34)(64bit)"
    file = nfpm("rpm", {}, depends=["a >= 1", libc], conflicts=["b < 2"], scripts={"preremove": "x"})
    package = reader.read_package(file)
    assert package.relations == {"depends": ("a (>= 1)", libc), "conflicts": ("b (<< 2)",)}
    assert package.scripts == {"preun": Script("/bin/sh", "x")}
    assert package.automatic_relations == {"provides": ("small (= 1.0.0-2)", "small(x86-64) (= 1.0.0-2)")}


def test_a_source_package_has_the_architecture_src(tmp_path):
    assert read(tmp_path, rpm(File("/a.spec"), values={1106: [1]})).arch == "src"


def test_signatures_are_named(nfpm):
    assert reader.read_package(nfpm("rpm", {})).signatures == ()
