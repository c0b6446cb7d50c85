"""The Go modules that rpms provide, as bundled(golang(MODULE))."""

import pytest

from kubeparcel.model import Format
from kubeparcel.packages import elf, reader
from kubeparcel.packages.linked_software import bundled_modules, linked_modules, rpm_version
from kubeparcel.packages.versions import version_key
from tests.packages.conftest import output
from tests.support.elf_files import elf_of_sections, go_build_info

INFO = (
    "path\texample.org/m/cmd/x\n"
    "mod\texample.org/m\tv1.2.3\th1:m=\n"
    "dep\texample.org/e\tv3.0.0+incompatible\th1:e=\n"
    "dep\texample.org/d\tv0.1.0\n"
    "=>\texample.org/fork\tv0.0.0-20250102033503-faa5f7b0171c\th1:f=\n"
    "dep\texample.org/local\tv0.0.0\n"
    "=>\t../local\t(devel)\t\n"
)
PROVIDES = [
    "bundled(golang(example.org/e)) (= 3.0.0+incompatible)",
    "bundled(golang(example.org/fork)) (= 0.0.0~20250102033503.faa5f7b0171c)",
    "bundled(golang(example.org/local))",
    "bundled(golang(stdlib)) (= 1.26.8)",
]


def test_dependencies_and_the_standard_library_are_provided_sorted_and_once():
    go = elf.read(elf_of_sections({".go.buildinfo": go_build_info(INFO)})).go
    assert bundled_modules([*linked_modules(go), *linked_modules(go)]) == PROVIDES


def test_experiments_of_the_toolchain_are_not_part_of_its_version():
    go = elf.read(elf_of_sections({".go.buildinfo": go_build_info("path\tx\n", "go1.26.8 X:synctest")})).go
    assert bundled_modules(linked_modules(go)) == ["bundled(golang(stdlib)) (= 1.26.8)"]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("0.0.0-20250102033503-faa5f7b0171c", "0.0.0"),
        ("1.2.4-0.20250102033503-faa5f7b0171c", "1.2.4"),
        ("1.2.3", "1.2.4-0.20250102033503-faa5f7b0171c"),
        ("0.0.0-20250102033503-faa5f7b0171c", "0.0.0-20250102033504-0a5f7b0171ca"),
        ("1.0.0-rc.1", "1.0.0"),
    ],
)
def test_versions_sort_in_rpm_as_in_go(earlier, later):
    keys = [version_key(Format.RPM, rpm_version(version)) for version in (earlier, later)]
    assert keys[0] < keys[1]


def test_rpm_reads_what_is_provided(nfpm):
    provides = [other.replace(" (", " ").removesuffix(")") if " (" in other else other for other in PROVIDES]
    file = nfpm("rpm", {"/etc/x": "x"}, provides=provides)
    assert set(provides) <= set(output("rpm", "-qp", "--provides", file).splitlines())
    package = reader.read_package(file)
    assert "provides" not in package.relations
    assert set(PROVIDES) <= set(package.automatic_relations["provides"])
