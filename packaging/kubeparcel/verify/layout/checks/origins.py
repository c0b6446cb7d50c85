"""Checks of where binaries come from: what Go and the provenance say of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubeparcel.packages.reader import Entry
from kubeparcel.reports.results import Finding
from kubeparcel.verify.layout.check_context import Rule, Subject, gather

_REAL_VERSION = re.compile(r"v\d+\.\d+\.\d+(-[a-z]+\.\d+)?")


def _go(subject: Subject) -> bool:
    return any(elf.go for _, elf in subject.elves)


def go_module(subject: Subject) -> Iterator[Finding]:
    """Built from the project's own module, where the binary names one.

    Upstream built without modules for years: those binaries say nothing. Ours always do.
    """
    want = subject.expected.module if subject.expected else ""
    for entry, elf in subject.elves:
        found = elf.go.module.path if elf.go else ""
        named = bool(found) or _compiled_here(subject)
        if named and not (elf.go and want in (found, *(d.path for d in elf.go.dependencies))):
            yield Finding(f"module {want}", f"module {found or 'unknown'}", entry.path)


def _go_versions(subject: Subject) -> Iterator[tuple[Entry, str]]:
    """The module's version in each binary that names a release; builds of a checkout do not."""
    want = subject.expected.module if subject.expected else ""
    for entry, elf in subject.elves:
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
    arch = subject.arch
    want = f"linux/{arch}"
    for entry, elf in subject.elves:
        settings = elf.go.settings if elf.go else {}
        found = f"{settings.get('GOOS', 'linux')}/{settings.get('GOARCH', arch)}"
        if arch and found != want:
            yield Finding(want, found, entry.path)


def _compiled_here(subject: Subject) -> bool:
    return subject.provenance.get("source") == "go" and _go(subject)


def trimpath(subject: Subject) -> Iterator[Finding]:
    """Built with -trimpath: the same bytes wherever it is built."""
    for entry, elf in subject.elves:
        if elf.go and elf.go.settings.get("-trimpath") != "true":
            yield Finding("-trimpath=true", "built without it", entry.path)


def no_build_paths(subject: Subject) -> Iterator[Finding]:
    """No path of the machine it was built on."""
    for entry, elf in subject.elves:
        if elf.go and elf.go.build_paths:
            paths = ", ".join(elf.go.build_paths[:3])
            yield Finding("no paths of the build machine", paths, entry.path)


def toolchain(subject: Subject) -> Iterator[Finding]:
    """Compiled with the Go that its provenance names."""
    want = str(subject.provenance.get("toolchain"))
    for entry, elf in subject.elves:
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


RULES = (
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
