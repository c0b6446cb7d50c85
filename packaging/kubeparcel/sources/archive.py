"""Unpacks the programs of a tar archive, and rejects archives that contain anything harmful."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from kubeparcel.errors import ArchiveError
from kubeparcel.files import translate_os_errors
from kubeparcel.packages import limits, tar
from kubeparcel.packages.errors import LimitExceeded, MalformedData
from kubeparcel.packages.member_names import absolute_path, member_name_faults
from kubeparcel.packages.model import FileType
from kubeparcel.store import Store

_ELF_MAGIC = b"\x7fELF"
_PROGRAM_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_HINT = "Nothing from it was used. Its digest is correct: report this to the publisher."


def cached_programs(store: Store, sha256: str) -> Mapping[str, str] | None:
    """Return the programs of an archive that was unpacked before, if the store has them all."""
    programs = store.get_record("archive", sha256)
    return programs if programs and all(store.has(d) for d in programs.values()) else None


def unpack_programs(store: Store, sha256: str, label: str) -> Mapping[str, str]:
    """Unpack the ELF files of an archive in the store; return the SHA-256 of each by its name.

    Owners and modes are ignored. Raises ArchiveError, naming `label`, if the archive is damaged or has anything but
    files and folders inside it, and DigestError if the store's copy is another file; then nothing of it is stored.
    """
    archive = store.get(sha256, label)
    with store.scratch() as folder, translate_os_errors(folder):
        try:
            programs = _unpack(archive, folder)
        except MalformedData as error:
            hint = error.hint if isinstance(error, LimitExceeded) else _HINT
            raise ArchiveError(f"{label}: {error}.", hint) from None
        for name, digest in programs.items():
            store.add_hashed(folder / name, digest)
    store.put_record("archive", sha256, programs)
    return programs


def _unpack(archive: Path, folder: Path) -> dict[str, str]:
    """Write the programs to a folder; return the SHA-256 of each, sorted by name. Raises MalformedData."""
    programs: dict[str, str] = {}
    paths: set[str] = set()
    for stream, member in tar.archive_members(archive, "the archive", limits.ARCHIVE, limits.ARCHIVE_TIME):
        path = absolute_path(member.name)
        for fault in member_name_faults(member.name, path in paths):
            raise MalformedData(fault)
        if member.kind not in (FileType.FILE, FileType.DIR):
            raise MalformedData(f"the member {member.name!r} is not a regular file or folder, but {member.kind}")
        paths.add(path)
        start = stream.read(min(member.size, len(_ELF_MAGIC)))
        if start != _ELF_MAGIC:
            continue
        name = path.rpartition("/")[2]
        if name in programs or not _PROGRAM_NAME.fullmatch(name):
            problem = "two programs" if name in programs else "a program"
            raise MalformedData(f"the archive contains {problem} named {name!r}")
        programs[name] = tar.extract(stream, member, folder / name, start)
    if not programs:
        raise MalformedData("the archive contains no programs")
    return dict(sorted(programs.items()))
