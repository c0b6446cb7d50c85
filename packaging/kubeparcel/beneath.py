"""Read and write beneath a folder without following symbolic links, which could lead anywhere."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kubeparcel.errors import ConfigurationError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def link_error(path: Path) -> ConfigurationError:
    """Return the error for a symbolic link in a folder that is ours to write to."""
    return ConfigurationError(
        f"{path} is a symbolic link, and kubeparcel would write to its target.",
        "Replace it with a folder; mount or bind-mount other disks instead.",
    )


def reject_links(root: Path, path: Path) -> None:
    """Raise ConfigurationError if a path, or a folder between it and `root`, is a symbolic link."""
    for part in _between(root, path):
        if part.is_symlink():
            raise link_error(part)


def is_folder(path: Path) -> bool:
    """Return whether a path is a folder, and not a link to one."""
    with suppress(FileNotFoundError):
        return stat.S_ISDIR(path.lstat().st_mode)
    return False


def open_without_links(path: str, flags: int) -> int:
    """Open a file that must not be a link: an `opener` of open(). Raises OSError (ELOOP) for a link."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)


class OwnFolder:
    """A folder that kubeparcel writes to, such as the cache; paths are below it.

    ConfigurationError is raised for a folder in it that is a link. Each component is opened relative to the one before
    it, so a link that replaces it in the meantime is not followed either. The folder itself may be reached through
    links.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def open(self, folder: Path, *, create: bool = False) -> Iterator[int]:
        """Yield the descriptor of a folder, for `dir_fd`; `create` makes missing ones. Raises FileNotFoundError."""
        if create:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.root, _FOLDER & ~os.O_NOFOLLOW)
        path = self.root
        try:
            for name in folder.relative_to(self.root).parts:
                path /= name
                inner = _open_component(path, descriptor, create=create)
                os.close(descriptor)
                descriptor = inner
            yield descriptor
        finally:
            os.close(descriptor)

    def is_file(self, path: Path) -> bool:
        """Return whether a path is a regular file, and not a link."""
        with suppress(FileNotFoundError), self.open(path.parent) as folder:
            return stat.S_ISREG(os.stat(path.name, dir_fd=folder, follow_symlinks=False).st_mode)
        return False

    def read(self, path: Path) -> bytes:
        """Return the content of a file. Raises FileNotFoundError, and OSError (ELOOP) for a link."""
        with self.open(path.parent) as folder, _named(path):
            descriptor = os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        with os.fdopen(descriptor, "rb") as file:
            return file.read()

    def touch(self, path: Path) -> None:
        """Set a file's time stamp to now, where that is permitted."""
        with suppress(OSError), self.open(path.parent) as folder:
            os.utime(path.name, dir_fd=folder, follow_symlinks=False)

    def place(self, path: Path, target: Path) -> None:
        """Move a file to its place below the folder, replacing what is there."""
        with self.open(target.parent, create=True) as folder:
            path.chmod(0o644)
            with _named(target):
                os.replace(path, target.name, dst_dir_fd=folder)

    def unlink(self, path: Path) -> None:
        """Remove a file, if it exists."""
        with suppress(FileNotFoundError), self.open(path.parent) as folder, _named(path):
            os.unlink(path.name, dir_fd=folder)

    def reserve(self, path: Path) -> Path:
        """Return the path of a file that only we write: a link to another file in its place is removed."""
        with self.open(path.parent, create=True) as folder, suppress(FileNotFoundError):
            status = os.stat(path.name, dir_fd=folder, follow_symlinks=False)
            if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
                os.unlink(path.name, dir_fd=folder)
        return path

    def glob(self, pattern: str) -> Iterator[Path]:
        """Yield the files and folders that match a pattern; nothing behind a link."""
        for path in self.root.glob(pattern):
            if not any(map(Path.is_symlink, _between(self.root, path.parent))):
                yield path


def _between(root: Path, path: Path) -> Iterator[Path]:
    """Yield a path and the folders between it and `root`."""
    for part in (path, *path.parents):
        if part == root:
            return
        yield part


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Give an OSError the whole path instead of the name that was relative to a descriptor."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise


def _open_component(path: Path, parent: int, *, create: bool) -> int:
    with _named(path):
        if create:
            with suppress(FileExistsError):
                os.mkdir(path.name, dir_fd=parent)
        try:
            return os.open(path.name, _FOLDER, dir_fd=parent)
        except NotADirectoryError:
            if stat.S_ISLNK(os.stat(path.name, dir_fd=parent, follow_symlinks=False).st_mode):
                raise link_error(path) from None
            raise
