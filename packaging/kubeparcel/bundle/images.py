"""The images of a control plane: those that can be built or pulled here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kubeparcel.errors import KubeparcelError, UsageError
from kubeparcel.hosts.session import Session
from kubeparcel.images.archive import read_archive
from kubeparcel.images.control_plane import build_archive
from kubeparcel.model import Arch, Version


@dataclass(frozen=True)
class Images:
    """The names of the images in an archive, and of those that are missing; without any there is no archive."""

    names: tuple[str, ...]
    missing: tuple[str, ...]
    archive: Path | None = None


def archived_names(files: Sequence[Path], scratch: Path) -> tuple[str, ...]:
    """Return the names of the images in archives.

    Raises UsageError for a missing file, or one without an image for this architecture.
    """
    names: dict[str, None] = {}
    for file in files:
        if not file.is_file():
            raise UsageError(f"--images: no file {file}.", f"Write it with: podman save --output {file.name} IMAGE")
        found = [name for image in read_archive(file, Arch.native(), scratch) for name in image.names]
        if not found:
            raise UsageError(f"--images: {file} has no image for {Arch.native()}.", "Save it for that architecture.")
        names |= dict.fromkeys(found)
    return tuple(names)


def collect_images(session: Session, version: str, names: Sequence[str], scratch: Path) -> Images:
    """Return an archive with the named images; those that cannot be had are missing, which is no error."""
    try:
        release = Version.parse(version)
        archive = build_archive(
            release, names, session.store, session.log, engine=session.engine, locations=session.locations
        )
    except KubeparcelError as error:
        session.log.warn(f"No control-plane images: {error}")
        return Images((), tuple(names))
    found = {name for image in read_archive(archive, Arch.native(), scratch) for name in image.names}
    present = tuple(name for name in names if name in found)
    missing = tuple(name for name in names if name not in found)
    return Images(present, missing, archive if present else None)
