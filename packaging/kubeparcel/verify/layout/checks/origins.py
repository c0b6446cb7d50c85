"""Checks of where binaries come from: what Go and the provenance say of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubeparcel.packages.reader import Entry
from kubeparcel.reports.results import Finding
from kubeparcel.verify.layout.check_context import CheckContext, CheckDefinition, group_findings

_REAL_VERSION = re.compile(r"v\d+\.\d+\.\d+(-[a-z]+\.\d+)?")


def _go(subject: CheckContext) -> bool:
    return any(elf.go for _, elf in subject.elf_files)


def go_module(subject: CheckContext) -> Iterator[Finding]:
    """Built from the project's own module, where the binary names one.

    Upstream built without modules for years: those binaries say nothing. Ours always do.
    """
    want = subject.expected.module if subject.expected else ""
    for entry, elf in subject.elf_files:
        found = elf.go.module.path if elf.go else ""
        named = bool(found) or _compiled_here(subject)
        if named and not (elf.go and want in (found, *(d.path for d in elf.go.dependencies))):
            yield Finding(f"module {want}", f"module {found or 'unknown'}", entry.path)


def _go_versions(subject: CheckContext) -> Iterator[tuple[Entry, str]]:
    """The module's version in each binary that names a release; builds of a checkout do not."""
    want = subject.expected.module if subject.expected else ""
    for entry, elf in subject.elf_files:
        modules = (elf.go.module, *elf.go.dependencies) if elf.go else ()
        found = next((m.version for m in modules if m.path == want), "")
        if _REAL_VERSION.fullmatch(found):
            yield entry, found


def go_version(subject: CheckContext) -> Iterator[Finding]:
    """Built from the version that the package has."""
    version = "v" + subject.contents.version.replace("~", "-", 1)
    rows = (
        (version, found, entry.path) for entry, found in _go_versions(subject) if found != version
    )
    yield from group_findings(rows)


def go_target(subject: CheckContext) -> Iterator[Finding]:
    """Built for Linux on the package's architecture."""
    arch = subject.arch
    want = f"linux/{arch}"
    for entry, elf in subject.elf_files:
        settings = elf.go.settings if elf.go else {}
        found = f"{settings.get('GOOS', 'linux')}/{settings.get('GOARCH', arch)}"
        if arch and found != want:
            yield Finding(want, found, entry.path)


def _compiled_here(subject: CheckContext) -> bool:
    return subject.provenance.get("source") == "go" and _go(subject)


def trimpath(subject: CheckContext) -> Iterator[Finding]:
    """Built with -trimpath: the same bytes wherever it is built."""
    for entry, elf in subject.elf_files:
        if elf.go and elf.go.settings.get("-trimpath") != "true":
            yield Finding("-trimpath=true", "built without it", entry.path)


def no_build_paths(subject: CheckContext) -> Iterator[Finding]:
    """No path of the machine it was built on."""
    for entry, elf in subject.elf_files:
        if elf.go and elf.go.build_paths:
            paths = ", ".join(elf.go.build_paths[:3])
            yield Finding("no paths of the build machine", paths, entry.path)


def toolchain(subject: CheckContext) -> Iterator[Finding]:
    """Compiled with the Go that its provenance names."""
    want = str(subject.provenance.get("toolchain"))
    for entry, elf in subject.elf_files:
        if elf.go and elf.go.version.split(" ")[0] != want:
            yield Finding(want, elf.go.version, entry.path)


def provenance(subject: CheckContext) -> Iterator[Finding]:
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


RULES = (
    CheckDefinition(
        "go-module",
        10,
        "binaries are built from the project's Go module",
        go_module,
        lambda subject: bool(subject.expected and subject.expected.module) and _go(subject),
    ),
    CheckDefinition(
        "go-module-version",
        10,
        "binaries are built from the package's version",
        go_version,
        lambda subject: any(_go_versions(subject)),
    ),
    CheckDefinition(
        "go-target", 10, "Go built them for Linux and this architecture", go_target, _go
    ),
    CheckDefinition(
        "go-trimpath", 10, "compiled so that the place does not matter", trimpath, _compiled_here
    ),
    CheckDefinition(
        "no-build-paths",
        24,
        "no path of the build machine is left in",
        no_build_paths,
        _compiled_here,
    ),
    CheckDefinition(
        "provenance-toolchain",
        23,
        "compiled with the Go that the provenance names",
        toolchain,
        lambda subject: bool(subject.provenance.get("toolchain")) and _go(subject),
    ),
    CheckDefinition(
        "provenance",
        23,
        "the provenance names this package and its binaries' digests",
        provenance,
        lambda subject: bool(subject.provenance),
    ),
)
