"""Checks of what declares the software in a package: the modules that an rpm provides."""

from __future__ import annotations

from collections.abc import Iterator

from kubeparcel.packages import go_modules
from kubeparcel.reports.results import Finding
from kubeparcel.verify.layout.check_context import MAX_PATHS, CheckContext, check, is_exact


def _declared_modules(context: CheckContext) -> set[str]:
    provides = context.contents.automatic_relations.get("provides", ())
    return {other for other in provides if other.startswith(go_modules.BUNDLED)}


@check(
    "bundled-modules",
    "an rpm provides exactly the Go modules in its binaries, as bundled(golang(MODULE))",
    applies=lambda context: not context.is_deb and (is_exact(context) or bool(_declared_modules(context))),
)
def bundled_modules(context: CheckContext) -> Iterator[Finding]:
    """Report modules that are missing, of another version, or not in any binary.

    Packages that declare no module pass: not every packager does.
    """
    linked = (module for _, elf in context.elf_files if elf.go for module in go_modules.linked_modules(elf.go))
    expected, declared = set(go_modules.bundled_modules(linked)), _declared_modules(context)
    for text, modules in (("provided", expected - declared), ("in the binaries", declared - expected)):
        for module in sorted(modules)[:MAX_PATHS]:
            yield Finding(f"{module} {text}", f"not {text}")
