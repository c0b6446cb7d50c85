"""Compares binaries: how Go built them, the modules in them, and what they are linked with."""

from __future__ import annotations

from collections.abc import Iterator

from kubeparcel.diff.model import Change, Topic
from kubeparcel.packages.model import ElfInfo, GoBuildInfo, GoModule, PackageEntry

_INCIDENTAL_SETTINGS = ("vcs.revision", "vcs.time", "vcs.modified")


def compare_binaries(path: str, old: PackageEntry, new: PackageEntry) -> Iterator[Change]:
    """Yield why two binaries with different bytes differ, or that no recorded reason exists."""
    changes = list(_compare_elf(path, old.elf, new.elf)) if old.elf and new.elf else []
    yield from changes
    if not any(change.topic is not Topic.INCIDENTAL for change in changes):
        same_size = ", same size" if old.size == new.size else ""
        before, after = (f"sha256 {entry.sha256[:12]}" for entry in (old, new))
        yield Change(Topic.BINARIES, path, f"bytes (same build information{same_size})", before, after)


def _compare_elf(path: str, old: ElfInfo, new: ElfInfo) -> Iterator[Change]:
    for attribute, before, after in (
        ("machine", f"{old.machine} ({old.bits} bits)", f"{new.machine} ({new.bits} bits)"),
        ("libraries", ", ".join(old.libraries) or "none (static)", ", ".join(new.libraries) or "none (static)"),
        ("loader", old.interpreter or "none", new.interpreter or "none"),
        ("glibc", old.glibc or "none", new.glibc or "none"),
        ("compiler", old.go.version if old.go else "not Go", new.go.version if new.go else "not Go"),
    ):
        if before != after:
            yield Change(Topic.BINARIES, path, attribute, before, after)
    if old.go and new.go:
        yield from _compare_go(path, old.go, new.go)


def _compare_go(path: str, old: GoBuildInfo, new: GoBuildInfo) -> Iterator[Change]:
    if old.path != new.path:
        yield Change(Topic.BINARIES, path, "main package", old.path, new.path)
    for name in dict.fromkeys((*old.settings, *new.settings)):
        before, after = old.settings.get(name, "not set"), new.settings.get(name, "not set")
        if before != after:
            topic = Topic.INCIDENTAL if name in _INCIDENTAL_SETTINGS else Topic.BINARIES
            yield Change(topic, path, name, before or "empty", after or "empty")
    if bool(old.build_paths) != bool(new.build_paths):
        before, after = (("in the binary" if go.build_paths else "none") for go in (old, new))
        yield Change(Topic.BINARIES, path, "paths of the build machine", before, after)
    before_modules, after_modules = (
        {module.path: module for module in (go.module, *go.dependencies) if module.path} for go in (old, new)
    )
    for name in sorted({*before_modules, *after_modules}):
        yield from _compare_modules(name, before_modules.get(name), after_modules.get(name))


def _compare_modules(name: str, old: GoModule | None, new: GoModule | None) -> Iterator[Change]:
    """Compare a module in both binaries; other bytes of the same version are named by their sums."""
    if old == new:
        return
    before, after = (module.version or "(devel)" if module else "" for module in (old, new))
    if old and new and before == after and old.sum and new.sum:
        before, after = f"{before} {old.sum}", f"{after} {new.sum}"
    if before != after:
        yield Change(Topic.MODULES, name, "module", before, after)
