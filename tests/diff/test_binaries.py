"""Binaries are compared by what Go and the linker recorded in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.diff.conftest import Diff, Entry, brief, write_deb
from tests.support.elf_files import elf, elf_of_sections, go_build_info

LINES = "path\tk8s.io/kubernetes/cmd/kubelet\nmod\tk8s.io/kubernetes\tv1.36.1\th1:a=\n"


def program(modules: Mapping[str, str], settings: str = "", toolchain: str = "go1.26.5", lines: str = LINES) -> Entry:
    """Return a binary; modules have versions and, after a space, sums."""
    dependencies = "".join(f"dep\t{name}\t{text.replace(' ', chr(9))}\n" for name, text in modules.items())
    record = go_build_info(f"{lines}{dependencies}{settings}", toolchain)
    return Entry(elf_of_sections({".go.buildinfo": record}), mode=0o755)


@pytest.fixture
def changes(diff: Diff, old: Path, new: Path) -> Callable[[Entry, Entry], list[tuple[str, ...]]]:
    """Return a function that compares two binaries."""

    def compare(before: Entry, after: Entry) -> list[tuple[str, ...]]:
        write_deb(old, {"/usr/bin/kubelet": before})
        write_deb(new, {"/usr/bin/kubelet": after})
        return brief(diff(old, new)[1])

    return compare


def test_modules_that_were_added_removed_and_changed_are_listed(changes):
    before = program({"a.example/x": "v1.0.0 h1:1=", "b.example/y": "v2.0.0 h1:2=", "c.example": "v1.0.0 h1:3="})
    after = program({"a.example/x": "v1.1.0 h1:4=", "c.example": "v1.0.0 h1:3=", "d.example": "v0.1.0 h1:5="})
    assert changes(before, after) == [
        ("modules", "a.example/x", "module", "v1.0.0", "v1.1.0"),
        ("modules", "b.example/y", "module", "v2.0.0", ""),
        ("modules", "d.example", "module", "", "v0.1.0"),
    ]


def test_other_code_under_the_same_version_is_named_by_its_sums(changes):
    result = changes(program({"a.example": "v1.0.0 h1:1="}), program({"a.example": "v1.0.0 h1:2="}))
    assert result == [("modules", "a.example", "module", "v1.0.0 h1:1=", "v1.0.0 h1:2=")]


def test_compiler_and_settings_are_compared(changes):
    before = program({}, "build\tCGO_ENABLED=0\nbuild\tvcs.time=1\n")
    after = program({}, "build\tCGO_ENABLED=1\nbuild\t-tags=x\nbuild\tvcs.time=2\n", "go1.26.8")
    assert changes(before, after) == [
        ("binaries", "/usr/bin/kubelet", "compiler", "go1.26.5", "go1.26.8"),
        ("binaries", "/usr/bin/kubelet", "CGO_ENABLED", "0", "1"),
        ("binaries", "/usr/bin/kubelet", "-tags", "not set", "x"),
    ]


def test_linked_libraries_are_compared(changes):
    result = changes(Entry(elf("a")), Entry(elf("a", needs=("libc.so.6",))))
    assert ("binaries", "/usr/bin/kubelet", "libraries", "none (static)", "libc.so.6") in result


def test_other_bytes_with_the_same_record_are_a_difference(changes):
    ((topic, _, attribute, before, after),) = changes(Entry(elf("a")), Entry(elf("b")))
    assert (topic, attribute) == ("binaries", "bytes (same build information, same size)")
    assert before != after


def test_change_of_several_packages_is_listed_once(diff, old, new):
    for name in ("kubeadm", "kubelet"):
        write_deb(old, {f"/usr/bin/{name}": program({"a.example": "v1.0.0 h1:1="})}, name=name)
        write_deb(new, {f"/usr/bin/{name}": program({"a.example": "v1.1.0 h1:2="})}, name=name)
    (change,) = diff(old, new)[1]["changes"]
    assert [name["package"] for name in change["packages"]] == ["kubeadm", "kubelet"]
