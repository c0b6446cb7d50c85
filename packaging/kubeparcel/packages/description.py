"""Describe the contents of packages: as text for people, and as values for JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kubeparcel.console import quantity
from kubeparcel.packages.linked_software import BUNDLED
from kubeparcel.packages.model import FileType, PackageContents, PackageEntry
from kubeparcel.packages.provenance import read_record
from kubeparcel.paths import display_path
from kubeparcel.sanitize import printable
from kubeparcel.times import utc_time

WIDTH = 80
_LABEL = 13


def as_dict(package: PackageContents) -> dict[str, Any]:
    """Return a package's entry in the JSON document, without empty fields."""
    fields = ("name", "version", "revision", "arch", "size", "maintainer", "vendor", "homepage", "license", "section")
    texts = ("summary", "description", "compression", "verified", "faults", "signatures", "build_time", "build_host")
    entry: dict[str, Any] = {
        "file": display_path(package.file),
        "format": str(package.format),
        "epoch": package.epoch,
        **{name.replace("_", "-"): getattr(package, name) for name in (*fields, *texts)},
        "relations": package.relations,
        "automatic-relations": package.automatic_relations,
        "scripts": {name: {"interpreter": s.interpreter, "body": s.body} for name, s in package.scripts.items()},
        "files": [_file_as_dict(file) for file in package.entries],
        "provenance": read_record(package),
    }
    return {name: value for name, value in entry.items() if value}


def _file_as_dict(entry: PackageEntry) -> dict[str, Any]:
    required = {"path": entry.path, "type": str(entry.kind), "mode": f"{entry.mode:04o}"}
    required |= {"owner": entry.owner, "group": entry.group}
    optional = {
        "size": entry.size,
        "sha256": entry.sha256,
        "target": entry.target,
        "flags": sorted(entry.flags),
        "capabilities": entry.capabilities,
    }
    return required | {name: value for name, value in optional.items() if value}


def as_text(package: PackageContents) -> str:
    """Return what is in a package as text of 80 columns; paths and lines of scripts are not broken."""
    sections = {
        "Faults": (line for fault in package.faults for line in _fill(fault, "  ", "    ")),
        "Relations": _relations(package),
        "Scripts": _scripts(package),
        "Files": _files(package.entries),
        "Provenance": _provenance(read_record(package)),
    }
    lines = [*_fields(package)]
    for title, section in sections.items():
        if content := list(section):
            lines += ["", title, *content]
    return printable("\n".join(lines))


def _fields(package: PackageContents) -> Iterator[str]:
    yield f"{package.name} {package.full_version} {package.arch} ({package.format})"
    yield from _wrapped("File", display_path(package.file))
    yield from _wrapped("Size", f"{quantity(package.size, 'B')}, {package.compression}")
    yield from _wrapped("Summary", package.summary)
    for name in ("maintainer", "vendor", "homepage", "license", "section"):
        yield from _wrapped(name.capitalize(), getattr(package, name))
    yield from _wrapped("Built", utc_time(package.build_time) if package.build_time else "")
    names = ", ".join(package.signatures)
    yield from _wrapped("Signatures", f"{names} (not verified)" if names else "none")
    yield from _wrapped("Verified", ", ".join(package.verified))


def _wrapped(label: str, text: str) -> list[str]:
    indent = f"  {label:<{_LABEL - 1}} "
    return _fill(text, indent, " " * len(indent)) if text else []


def _fill(text: str, first: str, rest: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )


def _relations(package: PackageContents) -> Iterator[str]:
    for note, relations in (("", package.relations), (" (automatic)", package.automatic_relations)):
        for kind, others in relations.items():
            # Lines break between relations only: `name (>= 1.2)` stays together.
            listed = [other.replace(" ", "\0") for other in others if not other.startswith(BUNDLED)]
            modules = len(others) - len(listed)
            listed += [f"{BUNDLED}…)) for {quantity(modules, 'Go modules')}"] if modules else []
            text = ", ".join(listed) + note
            yield from (line.replace("\0", " ") for line in _wrapped(kind, text))


def _scripts(package: PackageContents) -> Iterator[str]:
    for name, script in package.scripts.items():
        yield f"  {name} ({script.interpreter or 'no interpreter'})"
        yield from (f"    {line}".rstrip() for line in script.body.splitlines())


def _files(entries: Sequence[PackageEntry]) -> Iterator[str]:
    """Yield a line for each file; a path that does not fit has a line of its own."""
    width = max((len(f"{entry.owner}:{entry.group}") for entry in entries), default=0)
    for entry in entries:
        start = f"  {entry.mode:04o} {f'{entry.owner}:{entry.group}':<{width}} {_size(entry):>8}"
        path = _path(entry).replace("\n", "\\n")
        line = f"{start} {path}"
        yield from [line] if len(line) <= WIDTH else [start.rstrip(), f"       {path}"]


def _size(entry: PackageEntry) -> str:
    if entry.kind not in (FileType.FILE, FileType.HARDLINK):
        return ""
    return f"{entry.size} B" if entry.size < 1000 else quantity(entry.size, "B")


def _path(entry: PackageEntry) -> str:
    """Return a path with its target, and what is special about it."""
    is_usual = entry.kind in (FileType.FILE, FileType.DIR, FileType.SYMLINK)
    notes = ["" if is_usual else entry.kind.value, entry.capabilities, *sorted(entry.flags)]
    noted = ", ".join(filter(None, notes))
    target = f" -> {entry.target}" if entry.target else ""
    return entry.path + "/" * (entry.kind is FileType.DIR) + target + (f" ({noted})" if noted else "")


def _provenance(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield the record without the contents, which are those of the package."""
    for name, value in record.items():
        if name == "contents":
            continue
        if not isinstance(value, dict | list):
            yield from _wrapped(name, str(value))
            continue
        yield f"  {name}"
        for row in value.items() if isinstance(value, dict) else value:
            parts = row.values() if isinstance(row, dict) else row if isinstance(row, tuple) else [row]
            text = " ".join(part if isinstance(part, str) else json.dumps(part) for part in parts)
            yield from _fill(text, "    ", "      ")
