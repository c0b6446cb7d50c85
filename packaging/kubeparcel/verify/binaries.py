"""Checks of the binaries: for which machine, linked how, built from what, recorded where."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..contents import Elf, Entry
from ..model import Arch
from .contract import DYNAMIC
from .report import Finding
from .subject import Rule, Subject, gather

_LIBC = re.compile(r"(lib(c|m|dl|rt|pthread|resolv|nss_\w+|util)|ld-linux[\w-]*|ld64)\.so\.\d+")
_REAL_VERSION = re.compile(r"v\d+\.\d+\.\d+(-[a-z]+\.\d+)?")


def _elves(subject: Subject) -> Iterator[tuple[Entry, Elf]]:
    return ((entry, entry.elf) for entry in subject.binaries if entry.elf)


def _arch(subject: Subject) -> Arch | None:
    """The architecture that the package says it is for."""
    return next((a for a in Arch if subject.contents.format.arch(a) == subject.contents.arch), None)


def are_binaries(subject: Subject) -> Iterator[Finding]:
    """What is to be run as a program is one: an ELF file."""
    programs = ("/usr/bin/", "/usr/sbin/", *(subject.expected.folders if subject.expected else ()))
    rows = (
        ("an ELF binary", "something else", entry.path)
        for entry in subject.files
        if entry.path.startswith(programs) and not entry.elf
    )
    yield from gather(rows)


def machine(subject: Subject) -> Iterator[Finding]:
    """Each binary runs on the package's architecture."""
    arch = _arch(subject)
    if arch is None:
        return
    names = {other.elf_machine: f"{other} (machine {other.elf_machine})" for other in Arch}
    rows = (
        (names[arch.elf_machine], names.get(elf.machine, f"machine {elf.machine}"), entry.path)
        for entry, elf in _elves(subject)
        if elf.machine != arch.elf_machine
    )
    yield from gather(rows)


def static(subject: Subject) -> Iterator[Finding]:
    """Static, so that it runs on every distribution; the kubelet may need the C library."""
    for entry, elf in _elves(subject):
        if elf.static:
            continue
        if entry.path not in DYNAMIC:
            needs = ", ".join(elf.needed) or elf.interpreter
            yield Finding("statically linked", f"needs {needs}", entry.path)
        others = [name for name in elf.needed if not _LIBC.fullmatch(name)]
        if others:
            yield Finding("no library but the C library", f"needs {', '.join(others)}", entry.path)


def _go(subject: Subject) -> bool:
    return any(elf.go for _, elf in _elves(subject))


def go_module(subject: Subject) -> Iterator[Finding]:
    """Built from the project's own module."""
    want = subject.expected.module if subject.expected else ""
    for entry, elf in _elves(subject):
        if elf.go is None:
            yield Finding(f"built by Go from {want}", "no build information of Go", entry.path)
        elif want not in (elf.go.module.path, *(d.path for d in elf.go.dependencies)):
            yield Finding(f"module {want}", f"module {elf.go.module.path or 'unknown'}", entry.path)


def _go_versions(subject: Subject) -> Iterator[tuple[Entry, str]]:
    """The module's version in each binary that names a release; builds of a checkout do not."""
    want = subject.expected.module if subject.expected else ""
    for entry, elf in _elves(subject):
        modules = (elf.go.module, *elf.go.dependencies) if elf.go else ()
        found = next((m.version for m in modules if m.path == want), "")
        if _REAL_VERSION.fullmatch(found):
            yield entry, found


def go_version(subject: Subject) -> Iterator[Finding]:
    """Built from the version that the package has."""
    version = "v" + subject.contents.version.replace("~", "-", 1)
    rows = (
        (version, found, entry.path) for entry, found in _go_versions(subject) if found != version
    )
    yield from gather(rows)


def go_target(subject: Subject) -> Iterator[Finding]:
    """Built for Linux on the package's architecture."""
    arch = _arch(subject)
    want = f"linux/{arch}"
    for entry, elf in _elves(subject):
        settings = elf.go.settings if elf.go else {}
        found = f"{settings.get('GOOS', 'linux')}/{settings.get('GOARCH', arch)}"
        if arch and found != want:
            yield Finding(want, found, entry.path)


def _compiled_here(subject: Subject) -> bool:
    return subject.provenance.get("source") == "go" and _go(subject)


def trimpath(subject: Subject) -> Iterator[Finding]:
    """Built with -trimpath: the same bytes wherever it is built."""
    for entry, elf in _elves(subject):
        if elf.go and elf.go.settings.get("-trimpath") != "true":
            yield Finding("-trimpath=true", "built without it", entry.path)


def no_build_paths(subject: Subject) -> Iterator[Finding]:
    """No path of the machine it was built on."""
    for entry, elf in _elves(subject):
        if elf.go and elf.go.build_paths:
            paths = ", ".join(elf.go.build_paths[:3])
            yield Finding("no paths of the build machine", paths, entry.path)


def toolchain(subject: Subject) -> Iterator[Finding]:
    """Compiled with the Go that its provenance names."""
    want = str(subject.provenance.get("toolchain"))
    for entry, elf in _elves(subject):
        if elf.go and elf.go.version.split(" ")[0] != want:
            yield Finding(want, elf.go.version, entry.path)


def provenance(subject: Subject) -> Iterator[Finding]:
    """The record names this package, and each of its binaries with its digest."""
    record, contents = subject.provenance, subject.contents
    if "unreadable" in record:
        yield Finding("a JSON document", "something else", str(record["unreadable"]))
        return
    package = f"{contents.name} {contents.version}-{contents.revision}"
    if record.get("package") != package:
        yield Finding(package, str(record.get("package")), "provenance.json, package")
    binaries = record.get("binaries")
    recorded = binaries if isinstance(binaries, dict) else {}
    held = {entry.path.rsplit("/", 1)[-1]: f"sha256:{entry.sha256}" for entry in subject.binaries}
    for name in sorted({*recorded, *held}):
        want, found = recorded.get(name, "not recorded"), held.get(name, "not in the package")
        if want != found:
            yield Finding(f"{name} {want}", found, "provenance.json, binaries")


def _has_binaries(subject: Subject) -> bool:
    return bool(subject.binaries)


RULES = (
    Rule(
        "programs-are-binaries",
        8,
        "every program is an ELF binary",
        are_binaries,
        lambda subject: bool(subject.expected and subject.expected.module),
    ),
    Rule("elf-machine", 8, "binaries are for the package's architecture", machine, _has_binaries),
    Rule(
        "static", 9, "binaries need no libraries; the kubelet at most libc", static, _has_binaries
    ),
    Rule(
        "go-module",
        10,
        "binaries are built from the project's Go module",
        go_module,
        lambda subject: bool(subject.expected and subject.expected.module) and _go(subject),
    ),
    Rule(
        "go-module-version",
        10,
        "binaries are built from the package's version",
        go_version,
        lambda subject: any(_go_versions(subject)),
    ),
    Rule("go-target", 10, "Go built them for Linux and this architecture", go_target, _go),
    Rule("go-trimpath", 10, "compiled so that the place does not matter", trimpath, _compiled_here),
    Rule(
        "no-build-paths",
        24,
        "no path of the build machine is left in",
        no_build_paths,
        _compiled_here,
    ),
    Rule(
        "provenance-toolchain",
        23,
        "compiled with the Go that the provenance names",
        toolchain,
        lambda subject: bool(subject.provenance.get("toolchain")) and _go(subject),
    ),
    Rule(
        "provenance",
        23,
        "the provenance names this package and its binaries' digests",
        provenance,
        lambda subject: bool(subject.provenance),
    ),
)
