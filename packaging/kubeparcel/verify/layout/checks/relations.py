"""Checks of dependencies, conflicts and other relations."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubeparcel.reports.results import Finding
from kubeparcel.verify.layout.check_context import CheckContext, check, has_binaries, in_catalog, is_exact
from kubeparcel.verify.layout.expected import unify_operators

_GENERATED = re.compile(r"(libc6|glibc|lib[\w+-]+\.so|ld-linux|ld64\.so|rtld\()")
"""Dependencies that packaging tools derive from binaries; the catalog does not list them."""

_LIBC = {True: re.compile(r"(libc6|glibc)\b"), False: re.compile(r"(libc\.so\.6|glibc\b)")}
_NUMBERS = re.compile(r"(?<![0-9])([0-9]{1,9}\.[0-9]{1,9})(?![0-9])")
_NEGATIVE = ("conflicts", "breaks", "replaces", "obsoletes")
DISTRIBUTION_PLUGINS = "containernetworking-plugins"
"""Debian's and Fedora's CNI plugins, in another folder: both packages may be installed."""
DISTRIBUTION_PLUGIN_FOLDERS = ("/usr/lib/cni", "/usr/libexec/cni")


@check("dependencies and other relations match the package's record, or the catalog", applies=in_catalog)
def relations(context: CheckContext) -> Iterator[Finding]:
    """Report relations that are missing, or neither recorded at the build nor in the catalog."""
    expected_relations, actual = context.expected.relations, context.contents.relations
    exact = is_exact(context)
    names = {*expected_relations, *actual} - (set() if exact else {"provides"})
    for relation in sorted(names):
        expected = {other for other in expected_relations.get(relation, ()) if exact or not is_generated(other)}
        normalized = (unify_operators(other) for other in actual.get(relation, ()))
        found = {other for other in normalized if exact or not is_generated(other)}
        if expected != found:
            yield Finding(
                f"{relation}: {', '.join(sorted(expected)) or 'none'}",
                f"{relation}: {', '.join(sorted(found)) or 'none'}",
                hint=_difference(expected, found),
            )


def is_generated(other: str) -> bool:
    """Return whether packaging tools add such a dependency: interpreters, libraries."""
    return other.startswith("/") or bool(_GENERATED.match(other))


def _difference(expected: set[str], found: set[str]) -> str:
    missing, extra = sorted(expected - found), sorted(found - expected)
    parts = [f"missing: {', '.join(missing)}"] * bool(missing)
    parts += [f"unexpected: {', '.join(extra)}"] * bool(extra)
    return "; ".join(parts)


@check(
    "no package requires an exact version of another", applies=lambda context: "depends" in context.contents.relations
)
def no_exact_bounds(context: CheckContext) -> Iterator[Finding]:
    """Report `=` between packages of the catalog: both would have to be upgraded at once."""
    for other in context.contents.relations.get("depends", ()):
        name, _, bound = other.partition(" (")
        if name in context.layout_paths.package_names and bound.startswith("="):
            hint = "Packages are upgraded separately: kubeadm first, then the kubelet."
            yield Finding(f"{name} with a lower bound (>=)", other, hint=hint)


@check("the package can be installed together with the others")
def no_self_conflict(context: CheckContext) -> Iterator[Finding]:
    """Report conflicts with itself, the catalog's packages or the distribution's CNI plugins in another folder."""
    itself = context.contents.name
    names = {itself, *context.layout_paths.package_names}
    if not any(entry.path.startswith(DISTRIBUTION_PLUGIN_FOLDERS) for entry in context.binaries):
        names.add(DISTRIBUTION_PLUGINS)
    for relation in _NEGATIVE:
        for other in context.contents.relations.get(relation, ()):
            name, _, bound = other.partition(" (")
            if name in names and (not bound or name == itself):
                yield Finding(f"no conflict with {name}", f"{relation}: {other}")
    for other in context.contents.relations.get("depends", ()):
        if other.partition(" (")[0] == itself:
            yield Finding("no dependency on itself", f"depends: {other}")


@check("the package depends on the C library exactly if a binary needs it", applies=has_binaries)
def c_library_dependency(context: CheckContext) -> Iterator[Finding]:
    """Report a missing, unneeded or too old dependency on the C library."""
    dependencies = (
        other
        for relations in (context.contents.relations, context.contents.automatic_relations)
        for name in ("depends", "pre-depends")
        for other in relations.get(name, ())
    )
    declared = [other for other in dependencies if _LIBC[context.is_deb].match(other)]
    dynamic = [(entry, elf) for entry, elf in context.elf_files if not elf.is_static]
    name = "libc6" if context.is_deb else "libc.so.6"
    if not dynamic and declared:
        expected = "no dependency on the C library: all binaries are static"
        yield Finding(expected, f"depends: {', '.join(declared)}")
    for entry, elf in dynamic:
        if not declared:
            yield Finding(f"depends: {name}, as the binary is dynamic", "missing", entry.path)
        elif not _is_new_enough(declared, elf.glibc):
            expected = f"depends: {name} {elf.glibc} or later, which the binary needs"
            yield Finding(expected, ", ".join(declared), entry.path)


def _is_new_enough(declared: list[str], glibc: str) -> bool:
    """Return whether the newest required version has all symbols; True if none is required."""
    matches = [match[1] for other in declared for match in _NUMBERS.finditer(other)]
    versions = [tuple(map(int, text.split("."))) for text in matches]
    needed = tuple(map(int, glibc.split("."))) if glibc else ()
    return not versions or max(versions) >= needed[:2]
