"""Unpack an archive that others wrote: regular files below one folder, each once, within limits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kubeparcel.bundle import model
from kubeparcel.errors import UsageError
from kubeparcel.files import translate_os_errors
from kubeparcel.packages import limits, tar
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.member_names import member_name_faults
from kubeparcel.packages.model import FileType


def unpack(archive: Path, folder: Path) -> dict[str, str]:
    """Unpack a bundle into an empty folder; return the SHA-256 of each file by its path in the bundle.

    Raises MalformedData for a damaged archive, or one with anything else in it, UsageError if there is none.
    """
    if not archive.is_file():
        raise UsageError(f"{archive} is not a file.", "Give a bundle that inv bundle --to wrote.")
    digests: dict[str, str] = {}
    folders: set[str] = set()
    for stream, member in tar.archive_members(archive, archive.name, limits.BUNDLE, limits.BUNDLE_TIME):
        for fault in _faults(member, digests, folders):
            raise MalformedData(fault)
        path = member.name.removeprefix(f"{model.TOP}/")
        target = folder / path
        with translate_os_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        digests[path] = tar.extract(stream, member, target)
        folders.update(str(parent) for parent in Path(path).parents)
    return digests


def _faults(member: tar.TarMember, files: dict[str, str], folders: set[str]) -> Iterator[str]:
    """Yield why a member does not belong into a bundle."""
    path = member.name.removeprefix(f"{model.TOP}/")
    yield from member_name_faults(member.name, path in files)
    if path == member.name or not path:
        yield f"{member.name!r} is not below {model.TOP}/"
    if member.kind is not FileType.FILE:
        yield f"{member.name!r} is a {member.kind.value}, expected a regular file"
    if path in folders or any(str(parent) in files for parent in Path(path).parents):
        yield f"{member.name!r} is both a file and a folder"
