"""Compares the files of two packages: paths, modes, owners, links, conffiles, contents, and how Go built binaries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from kubeparcel.console import quantity
from kubeparcel.diff.metadata import unified_diff
from kubeparcel.diff.model import Change, ContentsPair, Topic, across_formats
from kubeparcel.diff.units import is_unit_path
from kubeparcel.packages.model import ElfInfo, FileType, GoBuildInfo, GoModule, PackageEntry

_INCIDENTAL_FOLDERS = ("/usr/share/doc/", "/usr/share/licenses/", "/usr/lib/.build-id/")
"""Folders of documentation, which repeats dates and versions, and of links named by build IDs."""

_INCIDENTAL_SETTINGS = ("vcs.revision", "vcs.time", "vcs.modified")

Entries = Mapping[str, PackageEntry]


def compare_files(pair: ContentsPair) -> Iterator[Change]:
    """Yield the differences of files, by path."""
    old, new = ({pair.path(entry.path): entry for entry in package.entries} for package in (pair.old, pair.new))
    moved = _moved(old, new)
    for path, target in moved.items():
        yield Change(Topic.INCIDENTAL if _is_incidental(path) else Topic.FILES, path, "moved", path, target)
    folders = _folders((*old, *new))
    for path in sorted(old.keys() - new.keys() - moved.keys()):
        yield Change(_topic(path, old[path], folders), _label(path, old[path]), old=str(old[path].kind))
    for path in sorted(new.keys() - old.keys() - {*moved.values()}):
        yield Change(_topic(path, new[path], folders), _label(path, new[path]), new=str(new[path].kind))
    times = False
    for path in sorted(old.keys() & new.keys()):
        yield from _compare_attributes(pair, path, old[path], new[path])
        if old[path].sha256 != new[path].sha256 and old[path].kind is new[path].kind:
            yield from _compare_contents(pair, path, old[path], new[path])
        times = times or old[path].mtime != new[path].mtime
    for path, target in moved.items():
        yield from _compare_attributes(pair, target, old[path], new[target])
    if times:
        yield Change(Topic.INCIDENTAL, "file times", "time")


def _moved(old: Entries, new: Entries) -> dict[str, str]:
    """Return the new path of each file that the new package has at another path, with the same bytes."""
    removed, added = (
        {
            entry.sha256: path
            for path, entry in sorted(entries.items())
            if path not in others and entry.kind is FileType.FILE and entry.size
        }
        for entries, others in ((old, new), (new, old))
    )
    return {path: added[sha256] for sha256, path in sorted(removed.items(), key=lambda e: e[1]) if sha256 in added}


def _folders(paths: Iterable[str]) -> set[str]:
    """Return the directories that files or directories at these paths are in."""
    folders: set[str] = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    return folders


def _topic(path: str, entry: PackageEntry, folders: set[str]) -> Topic:
    """Return the topic of a path in one package; installing the other package creates directories of its files too."""
    is_implied = entry.kind is FileType.DIR and path in folders
    return Topic.INCIDENTAL if is_implied or _is_incidental(path) else Topic.FILES


def _is_incidental(path: str) -> bool:
    return f"{path}/".startswith(_INCIDENTAL_FOLDERS)


def _label(path: str, entry: PackageEntry) -> str:
    return f"{path}/" if entry.kind is FileType.DIR else path


def _compare_attributes(pair: ContentsPair, path: str, old: PackageEntry, new: PackageEntry) -> Iterator[Change]:
    topic = Topic.INCIDENTAL if _is_incidental(path) else Topic.ATTRIBUTES
    for attribute, before, after in (
        ("type", str(old.kind), str(new.kind)),
        ("mode", f"{old.mode:04o}", f"{new.mode:04o}"),
        ("owner", f"{old.owner}:{old.group}", f"{new.owner}:{new.group}"),
        ("target", pair.path(old.target), pair.path(new.target)),
        ("capabilities", old.capabilities, new.capabilities),
    ):
        if before != after:
            yield Change(topic, path, attribute, before or "none", after or "none")
    yield from _compare_flags(pair, path, old, new)


def _compare_flags(pair: ContentsPair, path: str, old: PackageEntry, new: PackageEntry) -> Iterator[Change]:
    """Compare whether changes of the administrator are kept; debs have no other flags."""
    names = {"config"} if pair.across else {"config", "noreplace", "ghost", "missingok"}
    before, after = (", ".join(sorted(entry.flags & names)) or "none" for entry in (old, new))
    if before != after:
        yield Change(Topic.CONFFILES, path, "flags", before, after)
    before, after = (", ".join(sorted(entry.flags - names)) or "none" for entry in (old, new))
    if not pair.across and before != after:
        yield Change(Topic.INCIDENTAL, path, "flags", before, after)


def _compare_contents(pair: ContentsPair, path: str, old: PackageEntry, new: PackageEntry) -> Iterator[Change]:
    if old.elf and new.elf:
        yield from _compare_binaries(path, old, new)
        return
    # What units say is compared as systemd reads it: other differences of their text have no effect.
    topic = Topic.INCIDENTAL if _is_incidental(path) or is_unit_path(path) else Topic.CONTENTS
    lines = _text_diff(pair, old, new)
    if lines == () and pair.across:
        return
    yield Change(topic, path, "contents", _describe(old), _describe(new), lines or ())


def _describe(entry: PackageEntry) -> str:
    size = quantity(entry.size, "B") if entry.size >= 1000 else f"{entry.size} B"
    return f"{size}, sha256 {entry.sha256[:12]}"


def _text_diff(pair: ContentsPair, old: PackageEntry, new: PackageEntry) -> tuple[str, ...] | None:
    """Return the diff of two small texts, which is empty if they are compared as equal; None for other files."""
    if old.data is None or new.data is None or b"\0" in old.data + new.data:
        return None
    texts = [entry.text for entry in (old, new)]
    if pair.across:
        texts = ["\n".join(across_formats(line) for line in text.split("\n")) for text in texts]
    return unified_diff(*texts)


def _compare_binaries(path: str, old: PackageEntry, new: PackageEntry) -> Iterator[Change]:
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
