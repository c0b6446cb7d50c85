"""Checks of the binaries: machine and linkage, Go's build information, and the provenance record of their origin."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubeparcel.model import Arch
from kubeparcel.packages.linked_software import is_local, module_path
from kubeparcel.packages.model import PackageEntry
from kubeparcel.packages.provenance import recorded_origins
from kubeparcel.reports.results import Finding
from kubeparcel.verify.kubelet_contract import DYNAMICALLY_LINKED
from kubeparcel.verify.layout.check_context import CheckContext, check, group_findings, has_binaries

_LIBC = re.compile(r"(lib(c|m|dl|rt|pthread|resolv|nss_\w+|util)|ld-linux[\w-]*|ld64)\.so\.\d+")
_RELEASE_VERSION = re.compile(r"v\d+\.\d+\.\d+(-[a-z]+\.\d+)?")
MAX_BUILD_PATHS = 3


@check("programs are ELF binaries", applies=lambda context: bool(context.expected.programs))
def programs_are_binaries(context: CheckContext) -> Iterator[Finding]:
    """Report programs that are not ELF files."""
    yield from group_findings(
        ("an ELF binary", "another kind of file", entry.path)
        for entry in context.files
        if entry.path in context.expected.programs and not entry.elf
    )


@check("binaries are for the package's architecture", applies=has_binaries)
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


@check("binaries are static; the kubelet may use the C library", applies=has_binaries)
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


def _has_go_binaries(context: CheckContext) -> bool:
    return any(elf.go for _, elf in context.elf_files)


def _is_compiled_from_source(context: CheckContext) -> bool:
    return context.provenance.get("source") == "go" and _has_go_binaries(context)


@check(
    "binaries are built from the project's Go module",
    applies=lambda context: bool(context.expected.module) and _has_go_binaries(context),
)
def go_module(context: CheckContext) -> Iterator[Finding]:
    """Report binaries of another Go module.

    Old upstream binaries were built without modules and record none; they pass unless kubeparcel compiled them.
    """
    expected = context.expected.module
    for entry, elf in context.elf_files:
        main = elf.go.module.path if elf.go else ""
        if not (main or _is_compiled_from_source(context)):
            continue
        paths = (main, *(module.path for module in elf.go.dependencies)) if elf.go else ()
        if expected not in paths:
            yield Finding(f"module {expected}", f"module {main or 'unknown'}", entry.path)


def _module_versions(context: CheckContext) -> Iterator[tuple[PackageEntry, str]]:
    """Yield the module's version in each binary that records a release, not a checkout."""
    expected = context.expected.module
    for entry, elf in context.elf_files:
        modules = (elf.go.module, *elf.go.dependencies) if elf.go else ()
        version = next((module.version for module in modules if module.path == expected), "")
        if _RELEASE_VERSION.fullmatch(version):
            yield entry, version


@check("binaries are built from the package's version", applies=lambda context: any(_module_versions(context)))
def go_module_version(context: CheckContext) -> Iterator[Finding]:
    """Report binaries built from another version of the module."""
    expected = "v" + context.contents.upstream_version.partition("+")[0]
    yield from group_findings(
        (expected, version, entry.path) for entry, version in _module_versions(context) if version != expected
    )


@check("binaries are built for Linux and the package's architecture", applies=_has_go_binaries)
def go_target(context: CheckContext) -> Iterator[Finding]:
    """Report binaries with another GOOS or GOARCH."""
    arch = context.arch
    expected = f"linux/{arch}"
    for entry, elf in context.elf_files:
        settings = elf.go.settings if elf.go else {}
        target = f"{settings.get('GOOS', 'linux')}/{settings.get('GOARCH', arch)}"
        if arch and target != expected:
            yield Finding(expected, target, entry.path)


@check("binaries are compiled with -trimpath", applies=_is_compiled_from_source)
def go_trimpath(context: CheckContext) -> Iterator[Finding]:
    """Report binaries built without -trimpath, whose bytes depend on the build directory."""
    for entry, elf in context.elf_files:
        if elf.go and elf.go.settings.get("-trimpath") != "true":
            yield Finding("-trimpath=true", "not set", entry.path)


@check("binaries contain no paths of the build machine", applies=_is_compiled_from_source)
def no_build_paths(context: CheckContext) -> Iterator[Finding]:
    """Report paths of the build machine in binaries."""
    for entry, elf in context.elf_files:
        if elf.go and elf.go.build_paths:
            yield Finding("no paths of the build machine", ", ".join(elf.go.build_paths[:MAX_BUILD_PATHS]), entry.path)


@check(
    "binaries are compiled with the Go version that the provenance records",
    applies=lambda context: bool(context.provenance.get("toolchain")) and _has_go_binaries(context),
)
def provenance_toolchain(context: CheckContext) -> Iterator[Finding]:
    """Report binaries compiled with another version of Go."""
    expected = str(context.provenance.get("toolchain"))
    for entry, elf in context.elf_files:
        if elf.go and elf.go.version.split(" ")[0] != expected:
            yield Finding(expected, elf.go.version, entry.path)


def _recorded_variant(context: CheckContext) -> dict[str, object]:
    recorded = context.provenance.get("go")
    return recorded if isinstance(recorded, dict) else {}


@check(
    "binaries are compiled as the provenance and the version state (FIPS, GOAMD64)", applies=_is_compiled_from_source
)
def provenance_go(context: CheckContext) -> Iterator[Finding]:
    """Report binaries with another FIPS 140-3 module or for other x86-64 processors than recorded.

    The version of packages with this module ends in +fips, and no other one does.
    """
    recorded, version = _recorded_variant(context), context.contents.version
    fips, level = bool(recorded.get("fips")), str(recorded.get("amd64", "v1"))
    named = version.partition("+")[2].partition(".")[0] == "fips"
    if named != fips:
        yield Finding("+fips in the version" if fips else "no +fips in the version", version, "version")
    for entry, elf in context.elf_files:
        settings = elf.go.settings if elf.go else {}
        if bool(settings.get("GOFIPS140")) != fips:
            module = settings.get("GOFIPS140") or "no FIPS 140-3 module"
            yield Finding("a FIPS 140-3 module" if fips else "no FIPS 140-3 module", module, entry.path)
        if settings.get("GOAMD64", level) != level:
            yield Finding(f"GOAMD64={level}", f"GOAMD64={settings['GOAMD64']}", entry.path)


@check("binaries contain patched modules only if the provenance records patches", applies=_is_compiled_from_source)
def provenance_patches(context: CheckContext) -> Iterator[Finding]:
    """Report modules that are not the published ones: Go records no sum for those of a folder."""
    # The commit of a git tree, which has modules that are not published.
    from_tree = any(commit for (commit,) in recorded_origins(context.provenance, "commit"))
    if context.provenance.get("patches") or from_tree:
        return
    for entry, elf in context.elf_files:
        dependencies = elf.go.dependencies if elf.go else ()
        modules = [module_path(module) for module in dependencies if is_local(module)]
        if elf.go and _RELEASE_VERSION.fullmatch(elf.go.module.version) and not elf.go.module.sum:
            modules.insert(0, elf.go.module.path)
        if modules:
            yield Finding("published modules, or patches in the provenance", ", ".join(modules), entry.path)


@check(
    "provenance.json matches the package and the digests of its binaries",
    applies=lambda context: bool(context.provenance),
)
def provenance(context: CheckContext) -> Iterator[Finding]:
    """Report an invalid record, another package's record, and binaries with other digests."""
    record, contents = context.provenance, context.contents
    if "unreadable" in record:
        yield Finding("a JSON object", "invalid JSON", str(record["unreadable"]))
        return
    package = f"{contents.name} {contents.release}"
    if record.get("package") != package:
        yield Finding(package, str(record.get("package")), "provenance.json, package")
    binaries = record.get("binaries")
    recorded = binaries if isinstance(binaries, dict) else {}
    packaged = {entry.path.rsplit("/", 1)[-1]: f"sha256:{entry.sha256}" for entry in context.binaries}
    for name in sorted({*recorded, *packaged}):
        expected = recorded.get(name, "not recorded")
        found = packaged.get(name, "not in the package")
        if expected != found:
            yield Finding(f"{name} {expected}", found, "provenance.json, binaries")
