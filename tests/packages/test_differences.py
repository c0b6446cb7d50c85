"""Incidental and intended differences between two builds of a package."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kubeparcel.packages.differences import compare_packages
from kubeparcel.packages.model import FileType, PackageContents, PackageEntry, Script
from kubeparcel.packages.reader import read_package
from tests.support.elf_files import Go, elf
from tests.support.package_builders import deb


@pytest.fixture
def package(tmp_path: Path) -> PackageContents:
    return read_package(deb(tmp_path, "crictl", body=elf(go=Go())))


def with_entry(package: PackageContents, **changes: object) -> PackageContents:
    """Change the package's file."""
    entries = [replace(e, **changes) if e.kind == "file" else e for e in package.entries]
    return replace(package, entries=tuple(entries))


def test_equal_packages_have_no_differences(package):
    differences = compare_packages(package, replace(package, size=7, signatures=("RSA",), verified=()))
    assert (differences.incidental, differences.intended, differences.recompiled) == ((), (), ())


@pytest.mark.parametrize(
    ("field", "value", "label"),
    [
        ("compression", "xz", "compression"),
        ("maintainer", "Others", "maintainer"),
        ("vendor", "Others", "vendor"),
        ("build_time", 7, "build time"),
    ],
)
def test_differences_of_the_build_are_incidental(package, field, value, label):
    differences = compare_packages(package, replace(package, **{field: value}))
    assert (differences.incidental, differences.intended, differences.recompiled) == ((label,), (), ())


def test_file_times_are_incidental_and_recompiled_binaries_are_named(package):
    assert compare_packages(package, with_entry(package, mtime=7)).incidental == ("file times",)
    recompiled = compare_packages(package, with_entry(package, sha256="0" * 64))
    assert recompiled.recompiled == ("compilation of /usr/share/crictl/file",)
    assert recompiled.incidental + recompiled.intended == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"relations": {"depends": ("conntrack",)}},
        {"scripts": {"postinst": Script("/bin/sh", "true")}},
        {"description": "Other."},
        {"license": "MIT"},
    ],
)
def test_other_fields_are_intended(package, changes):
    assert compare_packages(package, replace(package, **changes)).intended == tuple(changes)


@pytest.mark.parametrize(
    "changes",
    [{"mode": 0o600}, {"owner": "kube"}, {"flags": frozenset({"config"})}, {"kind": "symlink", "target": "/x"}],
)
def test_other_attributes_of_a_file_are_intended(package, changes):
    differences = compare_packages(package, with_entry(package, **changes))
    assert differences.intended == ("attributes of /usr/share/crictl/file",)


def test_added_and_removed_files_are_intended_and_shortened(package):
    added = tuple(PackageEntry(f"/etc/{n}", package.entries[0].kind, 0o755, "root", "root", 0) for n in range(5))
    larger = replace(package, entries=(*package.entries, *added))
    assert str(compare_packages(package, larger)) == "added /etc/0, /etc/1, /etc/2 and 2 more files"
    assert str(compare_packages(larger, package)).startswith("removed /etc/0")


def test_contents_of_other_files_are_intended(tmp_path):
    packages = []
    for number, body in enumerate((b"a", b"b")):
        (tmp_path / str(number)).mkdir()
        packages.append(read_package(deb(tmp_path / str(number), "crictl", body=body)))
    assert compare_packages(*packages).intended == ("contents of /usr/share/crictl/file",)


def test_documentation_is_incidental(package):
    def with_document(name: str, sha256: str) -> PackageContents:
        document = PackageEntry(f"/usr/share/doc/crictl/{name}", FileType.FILE, 0o644, "root", "root", 0, sha256=sha256)
        return replace(package, entries=(*package.entries, document))

    for name, labels in (("README.md", ("documentation",)), ("changelog.Debian.gz", ()), ("provenance.json", ())):
        differences = compare_packages(with_document(name, "1" * 64), with_document(name, "2" * 64))
        assert (differences.incidental, differences.intended) == (labels, ())
