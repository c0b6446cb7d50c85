"""Checks of what a package says about others: dependencies, conflicts, the C library."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubeparcel.reports.results import Finding
from kubeparcel.verify.layout.check_context import CheckContext, CheckDefinition, exact, in_catalog
from kubeparcel.verify.layout.expected import normalize_relation

_SOUGHT = re.compile(r"(libc6|glibc|lib[\w+-]+\.so|ld-linux|ld64\.so|rtld\()")
"""Dependencies that follow from the binaries, not from the catalog."""

_LIBC = {True: re.compile(r"(libc6|glibc)\b"), False: re.compile(r"(libc\.so\.6|glibc\b)")}
_NEGATIVE = ("conflicts", "breaks", "replaces", "obsoletes")
NEIGHBOUR = "containernetworking-plugins"
"""Debian's and Fedora's package of the same plugins, in another folder: both may be installed."""


def relations(subject: CheckContext) -> Iterator[Finding]:
    """The relations are those of the catalog for this version, no more and no fewer."""
    if subject.expected is None:
        return
    wanted = subject.expected.relations
    for relation in sorted(
        {*wanted, *subject.contents.relations} - {"provides"} | _provides(subject)
    ):
        want = {other for other in wanted.get(relation, ()) if not _derived(other, subject)}
        found = {
            normalize_relation(other) for other in subject.contents.relations.get(relation, ())
        }
        found = {other for other in found if not _derived(other, subject)}
        if want != found:
            yield Finding(
                f"{relation}: {', '.join(sorted(want)) or 'nothing'}",
                f"{relation}: {', '.join(sorted(found)) or 'nothing'}",
                hint=_difference(want, found),
            )


def _provides(subject: CheckContext) -> set[str]:
    return {"provides"} if exact(subject) else set()


def _derived(other: str, subject: CheckContext) -> bool:
    """Interpreters and libraries, which other packagers' tools find by themselves."""
    return not exact(subject) and (other.startswith("/") or bool(_SOUGHT.match(other)))


def _difference(want: set[str], found: set[str]) -> str:
    missing, extra = sorted(want - found), sorted(found - want)
    parts = [f"missing: {', '.join(missing)}"] * bool(missing)
    parts += [f"not in the catalog for this version: {', '.join(extra)}"] * bool(extra)
    return "; ".join(parts)


def no_exact_bounds(subject: CheckContext) -> Iterator[Finding]:
    """No `=` between our packages: it would force them to be upgraded in one step."""
    for other in subject.contents.relations.get("depends", ()):
        name, _, bound = other.partition(" (")
        if name in subject.layout_paths.package_names and bound.startswith("="):
            look = "Packages are upgraded one after another, kubeadm before the kubelet."
            yield Finding(f"{name} with a lower bound (>=)", other, hint=look)


def no_self_conflict(subject: CheckContext) -> Iterator[Finding]:
    """It can be installed: beside itself, the other packages, and the distribution's plugins."""
    itself = subject.contents.name
    names = {itself, *subject.layout_paths.package_names, NEIGHBOUR}
    for relation in _NEGATIVE:
        for other in subject.contents.relations.get(relation, ()):
            name, _, bound = other.partition(" (")
            if name in names and (not bound or name == itself):
                yield Finding(f"no conflict with {name}", f"{relation}: {other}")
    for other in subject.contents.relations.get("depends", ()):
        if other.partition(" (")[0] == itself:
            yield Finding("no dependency on itself", f"depends: {other}")


def c_library(subject: CheckContext) -> Iterator[Finding]:
    """A dynamic binary needs the C library it was linked with; a static one needs none."""
    pattern = _LIBC[subject.is_deb]
    everything = [
        other
        for source in (subject.contents.relations, subject.contents.automatic)
        for name in ("depends", "pre-depends")
        for other in source.get(name, ())
    ]
    declared = [other for other in everything if pattern.match(other)]
    dynamic = [entry for entry in subject.binaries if entry.elf and not entry.elf.static]
    name = "libc6" if subject.is_deb else "libc.so.6"
    if not dynamic and declared:
        yield Finding("no C library: all binaries are static", f"depends: {', '.join(declared)}")
    for entry in dynamic:
        if not declared:
            yield Finding(f"depends: {name}, as the binary is dynamic", "nothing", entry.path)
        elif entry.elf and not _new_enough(declared, entry.elf.glibc):
            want = f"depends: {name} {entry.elf.glibc} or newer, as the binary needs"
            yield Finding(want, ", ".join(declared), entry.path)


def _new_enough(declared: list[str], glibc: str) -> bool:
    """Whether the newest version that is asked for has all symbols; none asked for is let pass."""
    found = [match[1] for other in declared for match in re.finditer(r"(\d+\.\d+)", other)]
    versions = [tuple(map(int, text.split("."))) for text in found]
    needed = tuple(map(int, glibc.split("."))) if glibc else ()
    return not versions or max(versions) >= needed[:2]


RULES = (
    CheckDefinition("relations", 13, "it depends on exactly what it should", relations, in_catalog),
    CheckDefinition(
        "no-exact-bounds",
        13,
        "no package pins another to one version",
        no_exact_bounds,
        lambda subject: "depends" in subject.contents.relations,
    ),
    CheckDefinition(
        "no-self-conflict", 14, "it can be installed beside the others", no_self_conflict
    ),
    CheckDefinition(
        "c-library-dependency",
        13,
        "it depends on the C library exactly when a binary needs it",
        c_library,
        lambda subject: bool(subject.binaries),
    ),
)
