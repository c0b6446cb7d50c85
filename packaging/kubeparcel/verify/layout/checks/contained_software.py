"""Checks of what declares the software in a package: SBOMs, and the modules that an rpm provides."""

from __future__ import annotations

from collections.abc import Iterator

from kubeparcel.packages import linked_software
from kubeparcel.reports.results import Finding
from kubeparcel.trust.sbom_files import contradictions, file_contradictions
from kubeparcel.verify.layout.check_context import MAX_PATHS, CheckContext, check, is_exact

_HINT = "Build the package again, or remove the SBOM."


def _declared_modules(context: CheckContext) -> set[str]:
    provides = context.contents.automatic_relations.get("provides", ())
    return {other for other in provides if other.startswith(linked_software.BUNDLED)}


@check(
    "an rpm provides exactly the Go modules in its binaries, as bundled(golang(MODULE))",
    applies=lambda context: not context.is_deb and (is_exact(context) or bool(_declared_modules(context))),
)
def bundled_modules(context: CheckContext) -> Iterator[Finding]:
    """Report modules that are missing, of another version, or not in any binary.

    Packages that declare no module pass: not every packager does.
    """
    linked = (module for _, elf in context.elf_files if elf.go for module in linked_software.linked_modules(elf.go))
    expected, declared = set(linked_software.bundled_modules(linked)), _declared_modules(context)
    for text, modules in (("provided", expected - declared), ("in the binaries", declared - expected)):
        for module in sorted(modules)[:MAX_PATHS]:
            yield Finding(f"{module} {text}", f"not {text}")


@check(
    "SBOMs next to the package are about this package: name, version, digest and files",
    applies=lambda context: bool(context.sboms),
)
def sbom(context: CheckContext) -> Iterator[Finding]:
    """Report SBOMs that cannot be read, or name another package, version, digest or other files.

    They are looked up in the package's folder, and in a folder `sbom` there or next to it, by the
    package's file name with the suffix `.cdx.json` or `.spdx.json`.
    """
    contents = context.contents
    for file in context.sboms:
        if file.claims is None:
            yield Finding("an SBOM of the package", file.problem, file.path, hint=_HINT)
            continue
        other_package = [*contradictions(file.claims, contents.name, contents.full_version, file.package_sha256)]
        differences = other_package or [*file_contradictions(file.claims, contents)]
        for expected, actual in differences[:MAX_PATHS]:
            yield Finding(expected, actual, file.path, hint=_HINT)
