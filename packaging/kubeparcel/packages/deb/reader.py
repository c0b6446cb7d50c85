"""Read a whole deb (deb(5)): an ar archive of a marker, a control archive and a payload."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kubeparcel.model import Format
from kubeparcel.packages.compression import compression_of, decompress_payload
from kubeparcel.packages.deb import ar, control, tar
from kubeparcel.packages.deb.control import ControlArchive
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.inspection_cache import InspectionCache
from kubeparcel.packages.model import FileType, PackageContents, PackageEntry
from kubeparcel.packages.payload import (
    absolute_path,
    inspect_file,
    installed_size_faults,
    member_name_faults,
)

MAGIC = ar.MAGIC


def read(file: Path, raw: memoryview, cache: InspectionCache) -> PackageContents:
    """Return the contents of a deb with the bytes `raw`; raise MalformedData."""
    marker, first, second, *others = _members(raw)
    control_data, payload = raw[first.start : first.end], raw[second.start : second.end]
    control_compression = compression_of(first.name, "control.tar")
    control_archive = control.read(
        decompress_payload(control_data, control_compression, first.name)[0]
    )
    compression = compression_of(second.name, "data.tar")
    plain, frames = decompress_payload(payload, compression, second.name)
    entries, md5s, faults = _entries(plain, control_archive.conffiles, cache)
    md5_faults = tuple(_md5_faults(control_archive, entries, md5s))
    return PackageContents(
        file=file,
        format=Format.DEB,
        size=len(raw),
        **_declared(control_archive),
        entries=tuple(sorted(entries, key=lambda entry: entry.path)),
        compression=compression,
        zstd_frames=frames,
        verified=("md5sums",) if control_archive.md5sums and not md5_faults else (),
        faults=(*md5_faults, *faults, *_stray_members(others), *_weight(control_archive, entries)),
        signatures=tuple(m.name for m in others if m.name.startswith("_gpg")),
        build_time=marker.mtime,
        has_changelog=_has_changelog(control_archive, entries),
    )


def _members(view: memoryview) -> list[ar.ArMember]:
    members = ar.members(view)
    if members:
        ar.check_complete(members, len(view))
    expected = ("debian-binary", "control.tar", "data.tar")
    names = [member.name for member in members]
    if len(names) < 3 or not all(map(str.startswith, names, expected)):
        raise MalformedData(f"its first members are {names[:3]}, expected {', '.join(expected)}")
    format_version = view[members[0].start : members[0].end].tobytes()
    if not format_version.startswith(b"2."):
        raise MalformedData(f"its format version {format_version[:8]!r} is unsupported")
    return members


def _declared(control_archive: ControlArchive) -> dict[str, Any]:
    """Return the fields of PackageContents that come from the control archive."""
    epoch, version, revision = control_archive.version
    summary, description = control_archive.description
    fields = {
        "name": "package",
        "arch": "architecture",
        "maintainer": "maintainer",
        "vendor": "vendor",
        "homepage": "homepage",
        "license": "license",
        "section": "section",
    }
    return {
        **{ours: control_archive.fields.get(theirs, "") for ours, theirs in fields.items()},
        "epoch": epoch,
        "version": version,
        "revision": revision,
        "summary": summary,
        "description": description,
        "relations": control_archive.relations,
        "automatic_relations": {},
        "scripts": control_archive.scripts,
        "build_host": "",
    }


def _entries(
    plain: memoryview, conffiles: frozenset[str], cache: InspectionCache
) -> tuple[list[PackageEntry], Mapping[str, str], list[str]]:
    """Return all entries, the md5 of each file by path, and faults."""
    entries: dict[str, PackageEntry] = {}
    files: dict[str, memoryview] = {}
    md5s: dict[str, str] = {}
    faults: list[str] = []
    for member in tar.members(plain, "data.tar"):
        path = absolute_path(member.name)
        if path == "/" and member.kind is FileType.DIR:
            continue
        faults += member_name_faults(member.name, path in entries)
        entry = _entry(path, member, conffiles)
        data = files.get(entry.target) if member.kind is FileType.HARDLINK else member.data
        if data is None:
            faults.append(f"{path}: hard link to {entry.target}, which does not precede it")
        elif member.kind in (FileType.FILE, FileType.HARDLINK):
            seen = inspect_file(data, cache, "md5")
            files[path], md5s[path] = data, seen.digest
            faults += (f"{path}: {fault}" for fault in seen.faults)
            entry = replace(entry, size=len(data), sha256=seen.sha256, elf=seen.elf, data=seen.data)
        entries[path] = entry
    return [*entries.values()], md5s, faults


def _entry(path: str, member: tar.TarMember, conffiles: frozenset[str]) -> PackageEntry:
    hard = member.kind is FileType.HARDLINK
    return PackageEntry(
        path=path,
        kind=member.kind,
        mode=member.mode,
        owner=member.owner,
        group=member.group,
        mtime=member.mtime,
        target=absolute_path(member.target) if hard else member.target,
        flags=frozenset({"config"} if path in conffiles else ()),
    )


def _md5_faults(
    control_archive: ControlArchive, entries: Sequence[PackageEntry], found: Mapping[str, str]
) -> Iterator[str]:
    """Yield the differences of md5sums and payload; md5sums may omit conffiles."""
    if control_archive.md5sums is None:
        return
    for path, declared in control_archive.md5sums.items():
        if path not in found:
            yield f"{path} is in md5sums, but is not a file in the payload"
        elif declared != found[path]:
            yield f"{path}: its MD5 in md5sums is {declared}, in the payload {found[path]}"
    for entry in entries:
        listed = entry.path in control_archive.md5sums or entry.is_conffile
        if entry.path in found and not listed:
            yield f"{entry.path} is in the payload, but not in md5sums"


def _stray_members(others: Sequence[ar.ArMember]) -> Iterator[str]:
    """Yield the members after the payload whose names do not begin with `_`."""
    for member in others:
        if not member.name.startswith("_"):
            yield f"unexpected archive member {member.name!r} after the payload"


def _weight(control_archive: ControlArchive, entries: Sequence[PackageEntry]) -> Iterator[str]:
    found = sum(entry.size for entry in entries if entry.kind is FileType.FILE)
    return installed_size_faults("Installed-Size", control_archive.installed_size, found)


def _has_changelog(control_archive: ControlArchive, entries: Sequence[PackageEntry]) -> bool:
    start = f"/usr/share/doc/{control_archive.fields['package']}/changelog"
    return any(entry.path.startswith(start) for entry in entries)
