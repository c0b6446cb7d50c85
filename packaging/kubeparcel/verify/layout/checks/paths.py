"""Checks of the paths in a package: which exist, their types, and which package owns them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from kubeparcel.config.distribution_directories import DISTRIBUTION_DIRECTORIES
from kubeparcel.packages.member_names import parent_directories
from kubeparcel.packages.model import FileType, PackageEntry
from kubeparcel.reports.results import Finding
from kubeparcel.verify.layout.check_context import CheckContext, check, group_findings, in_catalog
from kubeparcel.verify.layout.path_owners import FILE_TYPES, package_identity


@check("every expected file and directory is in the package", applies=in_catalog)
def files_present(context: CheckContext) -> Iterator[Finding]:
    """Report expected paths that are missing from the package."""
    expected = context.expected
    missing = [path for path in expected.files if path not in context.entries_by_path]
    missing += [
        f"{folder}/…"
        for folder in expected.binary_folders
        if not any(_is_directly_in(entry, folder) for entry in context.binaries)
    ]
    yield from group_findings(("the path is in the package", "missing", path) for path in missing)


@check(
    "the package contains only expected files",
    applies=in_catalog,
    hint="If the file belongs to the package, add it to packages.NAME.files in kubeparcel.yaml.",
)
def no_stray_files(context: CheckContext) -> Iterator[Finding]:
    """Report paths that neither the catalog nor the configuration lists."""
    expected = context.expected
    parents = {*parent_directories(expected.files)} | {
        str(parent) for folder in expected.binary_folders for parent in PurePosixPath(folder).parents
    }
    strays = (
        entry.path
        for entry in context.contents.entries
        if entry.path not in expected.files
        and not (entry.elf and any(_is_directly_in(entry, d) for d in expected.binary_folders))
        and not entry.path.startswith(expected.unchecked_folders)
        and not (context.is_deb and entry.kind is FileType.DIR and entry.path in parents)
        and not any(d.startswith(f"{entry.path}/") for d in expected.unchecked_folders)
    )
    yield from group_findings(("only files of this package", "unexpected path", path) for path in strays)


def _is_directly_in(entry: PackageEntry, folder: str) -> bool:
    return str(PurePosixPath(entry.path).parent) == folder


@check("files, directories and symlinks have the expected type and target")
def file_types(context: CheckContext) -> Iterator[Finding]:
    """Report paths of another type than expected, symlinks with another target, and devices."""
    differences = []
    for entry in context.contents.entries:
        file = context.expected.files.get(entry.path)
        if file is not None:
            expected, found = FILE_TYPES[file.kind].value, entry.kind.value
            if file.link:
                expected, found = f"{expected} to {file.link}", f"{found} to {entry.target}"
            differences.append((expected, found, entry.path))
        elif entry.kind not in (FileType.FILE, FileType.DIR, FileType.SYMLINK, FileType.HARDLINK):
            differences.append(("file, dir or symlink", entry.kind.value, entry.path))
    yield from group_findings((expected, found, path) for expected, found, path in differences if expected != found)


@check(
    "the package owns the directories that it creates",
    hint="Add them to packages.NAME.files in kubeparcel.yaml: - {path: …, dir: true}",
)
def owned_directories(context: CheckContext) -> Iterator[Finding]:
    """Report directories that would remain after removal, because no package owns them."""
    unchecked = context.expected.unchecked_folders
    paths = (entry.path for entry in context.files if not entry.path.startswith(unchecked))
    yield from group_findings(
        ("the package owns the directory", "not owned", directory)
        for directory in parent_directories(paths)
        if directory not in DISTRIBUTION_DIRECTORIES and directory not in context.entries_by_path
    )


@check(
    "no two packages that are installed together contain the same path differently",
    applies=lambda context: len(context.path_owners.names.get(context.contents.format, ())) > 1,
)
def one_owner_per_path(context: CheckContext) -> Iterator[Finding]:
    """Report paths that another package contains so that dpkg or rpm refuses to install both.

    Directories are shared, in rpms if mode and owner are equal. Rpm also accepts equal files and
    symlinks; dpkg only symlinks to the same directory. A package that conflicts with the other,
    or replaces it, is not reported. On systems where /usr is merged, /lib/x and /usr/lib/x are one path.
    """
    identity = package_identity(context.contents)
    for entry in context.contents.entries:
        others = context.path_owners.clashes(entry.path, identity)
        if others:
            labels = {o.package.name + (f" as {o.path}" if o.path != entry.path else "") for o in others}
            yield Finding("only one package contains the path", f"also in {', '.join(sorted(labels))}", entry.path)
