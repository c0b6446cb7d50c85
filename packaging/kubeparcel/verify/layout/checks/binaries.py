"""Checks of the binaries: for which machine, and linked how."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubeparcel.model import Arch
from kubeparcel.reports.results import Finding
from kubeparcel.verify.kubelet_contract import DYNAMICALLY_LINKED
from kubeparcel.verify.layout.check_context import CheckContext, CheckDefinition, group_findings

_LIBC = re.compile(r"(lib(c|m|dl|rt|pthread|resolv|nss_\w+|util)|ld-linux[\w-]*|ld64)\.so\.\d+")


def are_binaries(subject: CheckContext) -> Iterator[Finding]:
    """What should be a binary is one: an ELF file."""
    programs = subject.expected.programs if subject.expected else ()
    rows = (
        ("an ELF binary", "something else", entry.path)
        for entry in subject.files
        if entry.path in programs and not entry.elf
    )
    yield from group_findings(rows)


def machine(subject: CheckContext) -> Iterator[Finding]:
    """Each binary runs on the package's architecture."""
    arch = subject.arch
    if arch is None:
        return
    names = {other.elf_machine: f"{other} (machine {other.elf_machine})" for other in Arch}
    rows = (
        (names[arch.elf_machine], names.get(elf.machine, f"machine {elf.machine}"), entry.path)
        for entry, elf in subject.elf_files
        if elf.machine != arch.elf_machine
    )
    yield from group_findings(rows)


def static(subject: CheckContext) -> Iterator[Finding]:
    """Static, so that it runs on every distribution; the kubelet may need the C library."""
    for entry, elf in subject.elf_files:
        if elf.static:
            continue
        if entry.path not in DYNAMICALLY_LINKED:
            needs = ", ".join(elf.needed) or elf.interpreter
            yield Finding("statically linked", f"needs {needs}", entry.path)
        others = [name for name in elf.needed if not _LIBC.fullmatch(name)]
        if others:
            yield Finding("no library but the C library", f"needs {', '.join(others)}", entry.path)


def _has_binaries(subject: CheckContext) -> bool:
    return bool(subject.binaries)


RULES = (
    CheckDefinition(
        "programs-are-binaries",
        8,
        "what should be a binary is one",
        are_binaries,
        lambda subject: bool(subject.expected and subject.expected.programs),
    ),
    CheckDefinition(
        "elf-machine", 8, "binaries are for the package's architecture", machine, _has_binaries
    ),
    CheckDefinition(
        "static", 9, "binaries need no libraries; the kubelet at most libc", static, _has_binaries
    ),
)
