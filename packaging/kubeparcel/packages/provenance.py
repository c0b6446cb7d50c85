"""The record in each package of kubeparcel: the origin of its binaries, and what the package contains.

Packages are judged by this record: it includes the settings that made them, wherever they are checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kubeparcel.packages import limits
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.json_document import parse_json
from kubeparcel.packages.manifest import ManifestFile, PackageManifest
from kubeparcel.packages.model import PackageContents
from kubeparcel.packages.numbers import parse_number

FILE_NAME = "provenance.json"
"""The name of the record, by which packages of kubeparcel are recognized."""

_MALFORMED = (TypeError, ValueError, LookupError, AttributeError)


@dataclass(frozen=True)
class RecordedContents:
    """The paths and relations that a package was built with; `programs` are the paths of its binaries."""

    files: Mapping[str, ManifestFile]
    relations: Mapping[str, Sequence[str]]
    programs: tuple[str, ...]


def describe_contents(manifest: PackageManifest) -> dict[str, Any]:
    """Return the record of a package's paths and relations."""
    files = {file.path: _describe_file(file) for file in manifest.files}
    return {"files": files, "relations": manifest.format_relations()}


def _describe_file(file: ManifestFile) -> dict[str, Any]:
    return {
        "mode": f"{file.mode:04o}",
        **({"kind": file.kind} if file.kind != "file" else {}),
        **({"link": file.link} if file.link else {}),
        **({"config": True} if file.config else {}),
        **({"custom": True} if file.custom else {}),
    }


def read_record(contents: PackageContents) -> Mapping[str, Any]:
    """Return the record of a package; empty without one, and its path as `unreadable` if it is no JSON object."""
    entry = next((entry for entry in contents.entries if entry.path.endswith(f"/{FILE_NAME}")), None)
    if entry is None:
        return {}
    try:
        document = parse_json(entry.data or b"", entry.path)
    except MalformedData:
        document = None
    return document if isinstance(document, dict) else {"unreadable": entry.path}


def recorded_origins(record: Mapping[str, Any], *fields: str) -> list[tuple[str, ...]]:
    """Return some fields of each origin of the binaries in a record; missing ones are empty."""
    origins = record.get("origins")
    rows = [row for row in origins if isinstance(row, dict)] if isinstance(origins, list) else []
    return [tuple(str(row.get(field, "")) for field in fields) for row in rows]


def recorded_contents(record: Mapping[str, Any]) -> RecordedContents | None:
    """Return what a record contains about the package's contents; None if it is malformed, or of an older version."""
    try:
        paths = record["contents"]["files"].keys()
        limits.PATH.check(max(map(len, paths), default=0), "a path in the record")
        files = {
            path: ManifestFile(
                path,
                parse_number(row["mode"], "mode", 8) & 0o7777,
                str(row.get("kind", "file")),
                link=str(row.get("link", "")),
                config="config" in row,
                custom="custom" in row,
            )
            for path, row in record["contents"]["files"].items()
        }
        relations = {str(kind): [str(o) for o in others] for kind, others in record["contents"]["relations"].items()}
        binaries = frozenset(map(str, record["binaries"]))
    except _MALFORMED:
        return None
    programs = (path for path, file in files.items() if file.mode & 0o111 and path.rpartition("/")[2] in binaries)
    return RecordedContents(files, relations, tuple(programs))
