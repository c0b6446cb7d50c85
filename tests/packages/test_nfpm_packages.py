"""What nfpm writes for a manifest, as dpkg-deb and rpm read it."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
from pathlib import Path

import pytest

from kubeparcel.packages.nfpm import rpm_notation
from tests.packages.conftest import output
from tests.packages.nfpm_packages import PLAIN, PROGRAM, TIME, small, tar


def content(archive: tarfile.TarFile, name: str) -> str:
    return archive.extractfile(name).read().decode()


# --- The notation of relations -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("deb", "rpm"),
    [
        ("socat", "socat"),
        ("kubelet (>= 1.19.0)", "kubelet >= 1.19.0"),
        ("kubelet (<< 1.30~)", "kubelet < 1.30~"),
        ("kubelet (>> 1.30)", "kubelet > 1.30"),
        ("kubelet (<= 1.30)", "kubelet <= 1.30"),
        ("kubelet (= 1.30)", "kubelet = 1.30"),
        ("libc.so.6(GLIBC_2.34)(64bit)", "libc.so.6(GLIBC_2.34)(64bit)"),
    ],
)
def test_rpm_notation_has_no_parentheses_and_rpm_operators(deb, rpm):
    assert rpm_notation(deb) == rpm


# --- A deb, as dpkg-deb sees it ------------------------------------------------------------------

DEB_FIELDS = """\
Package: small
Version: 1.37.0~rc.1-2
Section: admin
Priority: optional
Architecture: amd64
Maintainer: Jane Doe <jane@example.org>
Installed-Size: 0
Provides: thing
Replaces: old (<< 2)
Depends: socat, kubelet (<< 1.38~)
Recommends: iptables (>= 1.8.4)
Suggests: jq
Conflicts: big
Breaks: large (<< 3)
Homepage: https://example.org
Description: A small thing
 It is small.
 .
 It does little.
"""


def test_a_deb_has_the_fields_of_its_manifest(write):
    assert sorted(output("dpkg-deb", "-f", write(small())).splitlines()) == sorted(DEB_FIELDS.splitlines())


def test_a_deb_has_the_files_and_modes_of_its_manifest(write):
    with tar("dpkg-deb", "--fsys-tarfile", write(small())) as archive:
        members = {m.name: m for m in archive.getmembers()}
        assert content(archive, "./usr/bin/small") == PROGRAM.decode()
    entries = {name: (oct(m.mode), m.isdir(), m.linkname) for name, m in members.items()}
    assert entries == {
        "./etc": ("0o755", True, ""),
        "./etc/small": ("0o755", True, ""),
        "./etc/small/small.conf": ("0o640", False, ""),
        "./usr": ("0o755", True, ""),
        "./usr/bin": ("0o755", True, ""),
        "./usr/bin/small": ("0o755", False, ""),
        "./usr/bin/tiny": ("0o777", False, "small"),
        "./usr/share": ("0o755", True, ""),
        "./usr/share/doc": ("0o755", True, ""),
        "./usr/share/doc/small": ("0o755", True, ""),
        "./usr/share/doc/small/NEWS": ("0o644", False, ""),
        "./usr/share/doc/small/changelog.Debian.gz": ("0o644", False, ""),
    }
    assert {(m.uid, m.gid) for m in members.values()} == {(0, 0)}
    assert {int(m.mtime) for m in members.values()} == {TIME}


def test_a_deb_has_md5sums_conffiles_and_maintainer_scripts(write):
    with tar("dpkg-deb", "--ctrl-tarfile", write(small())) as archive:
        modes = {member.name.lstrip("./"): oct(member.mode) for member in archive.getmembers()}
        assert modes == {"control": "0o644", "md5sums": "0o644", "conffiles": "0o644", "postinst": "0o755"}
        assert content(archive, "./conffiles") == "/etc/small/small.conf\n"
        assert content(archive, "./postinst") == "#!/bin/sh\necho hello\n"
        sums = dict(reversed(line.split("  ", 1)) for line in content(archive, "./md5sums").splitlines())
    assert sums["usr/bin/small"] == hashlib.md5(PROGRAM).hexdigest()
    assert sums["etc/small/small.conf"] == hashlib.md5(PLAIN).hexdigest()
    assert set(sums) == {
        *["etc/small/small.conf", "usr/bin/small", "usr/share/doc/small/NEWS"],
        "usr/share/doc/small/changelog.Debian.gz",
    }


def test_a_deb_has_a_compressed_changelog_with_the_note(write):
    with tar("dpkg-deb", "--fsys-tarfile", write(small())) as archive:
        packed = archive.extractfile("./usr/share/doc/small/changelog.Debian.gz")
        assert gzip.decompress(packed.read()).decode() == (
            "small (1.37.0~rc.1-2) stable; urgency=medium\n"
            "  * Packaged by hand.\n\n"
            " -- Jane Doe <jane@example.org>  Wed, 22 Jul 2026 18:07:38 +0000\n"
        )


# --- An rpm, as rpm sees it ----------------------------------------------------------------------


def test_an_rpm_has_the_fields_of_its_manifest(write):
    tags = ("name", "version", "release", "arch", "license", "vendor", "packager", "url")
    more = ("summary", "description", "buildhost", "buildtime", "epoch", "os")
    query = "".join(f"%{{{tag}}}|" for tag in (*tags, *more))
    assert output("rpm", "-qp", "--qf", query, write(small("rpm"))) == (
        "small|1.37.0~rc.1|2|x86_64|Apache-2.0|Example|Jane Doe <jane@example.org>|"
        "https://example.org|A small thing|It is small.\n\nIt does little.|"
        f"localhost|{TIME}|(none)|linux|"
    )


def test_an_rpm_has_the_files_and_flags_of_its_manifest(write):
    query = (
        r"[%{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILEFLAGS:fflags} "
        r"%{FILENAMES} %{FILELINKTOS} %{FILEMTIMES}\n]"
    )
    lines = output("rpm", "-qp", "--qf", query, write(small("rpm"))).splitlines()
    # Of a link the system ignores the permissions, and nfpm writes none.
    assert [" ".join(line.replace("---------", "rwxrwxrwx").split()) for line in lines] == [
        f"drwxr-xr-x root:root /etc/small {TIME}",
        f"-rw-r----- root:root cn /etc/small/small.conf {TIME}",
        f"-rwxr-xr-x root:root /usr/bin/small {TIME}",
        f"lrwxrwxrwx root:root /usr/bin/tiny small {TIME}",
        f"-rw-r--r-- root:root d /usr/share/doc/small/NEWS {TIME}",
    ]


def relations(file: Path, kind: str) -> set[str]:
    lines = output("rpm", "-qp", f"--{kind}", file).splitlines()
    return {line for line in lines if not line.startswith("rpmlib(")}


def test_an_rpm_has_breaks_as_conflicts_replaces_as_obsoletes_and_requires_a_shell(write):
    file = write(small("rpm"))
    assert relations(file, "requires") == {"socat", "kubelet < 1.38~", "/bin/sh"}
    assert relations(file, "recommends") == {"iptables >= 1.8.4"}
    assert relations(file, "suggests") == {"jq"}
    assert relations(file, "conflicts") == {"big", "large < 3"}
    assert relations(file, "obsoletes") == {"old < 2"}
    assert "thing" in relations(file, "provides")


def test_an_rpm_without_scriptlets_requires_no_shell(write):
    assert "/bin/sh" not in relations(write(small("rpm", scripts={})), "requires")


def test_an_rpm_has_the_scriptlet_of_its_manifest(write):
    scripts = output("rpm", "-qp", "--scripts", write(small("rpm")))
    assert "postinstall scriptlet (using /bin/sh):" in scripts
    assert "echo hello" in scripts


def test_rpm_accepts_the_digests_of_an_rpm(write):
    report = output("rpm", "-K", "-v", write(small("rpm")))
    assert "Header SHA256 digest: OK" in report
    assert "Payload SHA256 digest: OK" in report
