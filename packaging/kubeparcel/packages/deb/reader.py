"""Read a whole deb (deb(5)): an ar archive of a marker, a control archive and a payload."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from kubeparcel.model import Format
from kubeparcel.packages import limits, tar
from kubeparcel.packages.compression import compression_of
from kubeparcel.packages.deb import ar
from kubeparcel.packages.deb.control import ControlArchive, parse_control_archive
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.inspection import (
    FileInspection,
    FileInspector,
    InspectionCache,
    installed_size_faults,
    shorten_faults,
)
from kubeparcel.packages.limits import Limit
from kubeparcel.packages.member_names import absolute_path, member_name_faults
from kubeparcel.packages.model import FileType, PackageContents, PackageEntry
from kubeparcel.packages.payload_stream import FileSection, PayloadStream, open_payload
from kubeparcel.packages.versions import split_version

MAGIC = ar.MAGIC


def read(path: Path, file: BinaryIO, cache: InspectionCache) -> PackageContents:
    """Return the contents of a deb; raise MalformedData."""
    size = file.seek(0, os.SEEK_END)
    marker, control_member, payload, *others = _members(file, size)
    control = parse_control_archive(_open(file, control_member, "control.tar", limits.CONTROL))
    stream = _open(file, payload, "data.tar", limits.UNPACKED)
    entries, md5s, faults = _entries(stream, control.conffiles, FileInspector(cache, "md5"))
    md5_faults = tuple(_md5_faults(control, entries, md5s))
    stray_members = (member.name for member in others if not member.name.startswith("_"))
    stray_faults = (f"unexpected archive member {m!r} after the payload" for m in stray_members)
    size_faults = installed_size_faults("Installed-Size", control.installed_size, entries)
    changelog = f"/usr/share/doc/{control.fields['package']}/changelog"
    return PackageContents(
        file=path,
        format=Format.DEB,
        size=size,
        **_declared(control),
        entries=tuple(sorted(entries, key=lambda entry: entry.path)),
        compression=compression_of(payload.name, "data.tar"),
        zstd_frames=stream.zstd_frames,
        verified=("md5sums",) if control.md5sums and not md5_faults else (),
        faults=shorten_faults((*md5_faults, *faults, *stray_faults, *size_faults)),
        signatures=tuple(m.name for m in others if m.name.startswith("_gpg")),
        build_time=marker.mtime,
        has_changelog=any(entry.path.startswith(changelog) for entry in entries),
    )


def _members(file: BinaryIO, size: int) -> list[ar.ArMember]:
    members = ar.members(file)
    if members:
        ar.check_complete(members, size)
    expected = ("debian-binary", "control.tar", "data.tar")
    names = [member.name for member in members[:3]]
    if len(names) < 3 or not all(map(str.startswith, names, expected)):
        raise MalformedData(f"its first members are {names}, expected {', '.join(expected)}")
    file.seek(members[0].start)
    format_version = file.read(min(members[0].size, 8))
    if not format_version.startswith(b"2."):
        raise MalformedData(f"its format version {format_version!r} is unsupported")
    return members


def _open(file: BinaryIO, member: ar.ArMember, stem: str, limit: Limit) -> PayloadStream:
    compression = compression_of(member.name, stem)
    return open_payload(FileSection(file, member.start, member.size), compression, member.name, limit)


def _declared(control: ControlArchive) -> dict[str, Any]:
    """Return the fields of PackageContents that come from the control archive."""
    epoch, version, revision = split_version(control.fields["version"])
    summary, description = control.description
    same_name = ("maintainer", "vendor", "homepage", "license", "section")
    return {
        **{name: control.fields.get(name, "") for name in same_name},
        "name": control.fields["package"],
        "arch": control.fields["architecture"],
        "epoch": epoch,
        "version": version,
        "revision": revision or "",
        "summary": summary,
        "description": description,
        "relations": control.relations,
        "automatic_relations": {},
        "scripts": control.scripts,
        "build_host": "",
    }


def _entries(
    stream: PayloadStream, conffiles: frozenset[str], inspector: FileInspector
) -> tuple[list[PackageEntry], Mapping[str, str], list[str]]:
    """Return all entries, the md5 of each file by path, and faults."""
    entries: dict[str, PackageEntry] = {}
    inspections: dict[str, FileInspection] = {}
    faults: list[str] = []
    for member in tar.members(stream):
        path = absolute_path(member.name)
        if path == "/" and member.kind is FileType.DIR:
            continue
        faults += member_name_faults(member.name, path in entries)
        entry = _entry(path, member, conffiles)
        inspection = None
        if member.kind is FileType.FILE:
            inspection = inspector.inspect(stream, member.size, path)
        elif member.kind is FileType.HARDLINK and not (inspection := inspections.get(entry.target)):
            faults.append(f"{path}: hard link to {entry.target}, which does not precede it")
        if inspection:
            inspections[path], entry = inspection, inspection.complete(entry)
            faults += (f"{path}: {fault}" for fault in inspection.faults)
        entries[path] = entry
    return [*entries.values()], {path: inspection.digest for path, inspection in inspections.items()}, faults


def _entry(path: str, member: tar.TarMember, conffiles: frozenset[str]) -> PackageEntry:
    is_hard_link = member.kind is FileType.HARDLINK
    return PackageEntry(
        path=path,
        kind=member.kind,
        mode=member.mode,
        owner=member.owner,
        group=member.group,
        mtime=member.mtime,
        target=absolute_path(member.target) if is_hard_link else member.target,
        flags=frozenset({"config"} if path in conffiles else ()),
    )


def _md5_faults(control: ControlArchive, entries: Sequence[PackageEntry], md5s: Mapping[str, str]) -> Iterator[str]:
    """Yield the differences of md5sums and payload; md5sums may omit conffiles."""
    if control.md5sums is None:
        return
    for path, declared in control.md5sums.items():
        if path not in md5s:
            yield f"{path} is in md5sums, but is not a file in the payload"
        elif declared != md5s[path]:
            yield f"{path}: its MD5 in md5sums is {declared}, in the payload {md5s[path]}"
    for entry in entries:
        listed = entry.path in control.md5sums or entry.is_conffile
        if entry.path in md5s and not listed:
            yield f"{entry.path} is in the payload, but not in md5sums"
