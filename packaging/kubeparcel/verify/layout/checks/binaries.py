"""Checks of the binaries: machine and linkage."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubeparcel.model import Arch
from kubeparcel.reports.results import Finding
from kubeparcel.verify.kubelet_contract import DYNAMICALLY_LINKED
from kubeparcel.verify.layout.check_context import CheckContext, check, group_findings, has_binaries

_LIBC = re.compile(r"(lib(c|m|dl|rt|pthread|resolv|nss_\w+|util)|ld-linux[\w-]*|ld64)\.so\.\d+")


@check(
    "programs-are-binaries",
    "programs are ELF binaries",
    applies=lambda context: bool(context.expected and context.expected.programs),
)
def programs_are_binaries(context: CheckContext) -> Iterator[Finding]:
    """Report programs that are not ELF files."""
    programs = context.expected.programs if context.expected else ()
    yield from group_findings(
        ("an ELF binary", "another kind of file", entry.path)
        for entry in context.files
        if entry.path in programs and not entry.elf
    )


@check("elf-machine", "binaries are for the package's architecture", applies=has_binaries)
def elf_machine(context: CheckContext) -> Iterator[Finding]:
    """Report binaries for another machine."""
    arch = context.arch
    if arch is None:
        return
    names = {other.elf_machine: f"{other} (machine {other.elf_machine})" for other in Arch}
    yield from group_findings(
        (names[arch.elf_machine], names.get(elf.machine, f"machine {elf.machine}"), entry.path)
        for entry, elf in context.elf_files
        if elf.machine != arch.elf_machine
    )


@check("static", "binaries are static; the kubelet may use the C library", applies=has_binaries)
def static(context: CheckContext) -> Iterator[Finding]:
    """Report dynamic binaries, which may not run on every distribution.

    The kubelet may be linked with the C library, and with no other library.
    """
    for entry, elf in context.elf_files:
        if elf.is_static:
            continue
        if entry.path not in DYNAMICALLY_LINKED:
            needed = ", ".join(elf.libraries) or elf.interpreter
            yield Finding("statically linked", f"needs {needed}", entry.path)
        others = [name for name in elf.libraries if not _LIBC.fullmatch(name)]
        if others:
            yield Finding("no library except libc", f"needs {', '.join(others)}", entry.path)
