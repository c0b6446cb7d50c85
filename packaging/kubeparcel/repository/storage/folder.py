"""Repositories in a local folder: clients see a change when whole folders are exchanged."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from kubeparcel.beneath import reject_links
from kubeparcel.files import translate_os_errors
from kubeparcel.repository.file_stamp import FileStamp
from kubeparcel.repository.storage import filesystem, lock
from kubeparcel.repository.storage.base import METADATA_FOLDER, FolderSwap, check_path

_LARGE = 1 << 20
"""Files of more bytes on average are copied by two threads; those that create small files only wait for each other."""

_STAGING = f"{METADATA_FOLDER}/half-made"


class FolderStorage:
    """A repository in a local or mounted folder."""

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.normpath(root))
        self.location = str(self.root)
        self.base_url = self.root.absolute().as_uri()

    def read(self, path: str, limit: int | None = None) -> bytes | None:
        with (
            translate_os_errors(self.root),
            suppress(FileNotFoundError, NotADirectoryError),
            (self.root / check_path(path)).open("rb") as file,
        ):
            return file.read(-1 if limit is None else limit)
        return None

    def contains(self, path: str, data: bytes) -> bool:
        return self.read(path) == data

    def file_sizes(self, prefix: str) -> dict[str, int]:
        sizes: dict[str, int] = {}
        with translate_os_errors(self.root):
            _collect_sizes(str(self.root / check_path(prefix)), prefix, sizes)
        return sizes

    def file_names(self, folder: str) -> list[str]:
        with translate_os_errors(self.root), suppress(FileNotFoundError):
            path = self.root / check_path(folder) if folder else self.root
            return sorted(entry.name for entry in os.scandir(path) if entry.is_file())
        return []

    def top_names(self) -> list[str]:
        with translate_os_errors(self.root), suppress(FileNotFoundError):
            return [path.name for path in self.root.iterdir()]
        return []

    def add(self, files: Sequence[tuple[str, FileStamp]]) -> None:
        def copy(number: int, staged: str) -> None:
            filesystem.copy_file(files[number][1], staged)

        large = sum(source.size for _, source in files) > _LARGE * len(files)
        self._add([path for path, _ in files], copy, 2 if large else 1)

    def copy(self, pairs: Sequence[tuple[str, str]]) -> None:
        stored = [f"{self.location}/{check_path(old)}" for old, _ in pairs]
        self._add([new for _, new in pairs], lambda number, staged: filesystem.link_or_copy(stored[number], staged))

    def _add(self, paths: Sequence[str], create: Callable[[int, str], None], workers: int = 1) -> None:
        """Add files: `create` makes the one with a number in the staging area. Durable on return.

        A new folder is renamed when it is complete: renaming each of its files would take a third of the time.
        """
        with translate_os_errors(self.root):
            area = self._with_parent(f"{_STAGING}/added/x").parent
            folders = sorted({check_path(path).rpartition("/")[0] for path in paths})
            staged = {folder: area / str(number) for number, folder in enumerate(folders)}
            for staged_folder in staged.values():
                filesystem.create_folder(staged_folder)

            def create_part(start: int) -> None:
                for number in range(start, len(paths), workers):
                    folder, _, name = paths[number].rpartition("/")
                    with translate_os_errors(self.root / paths[number]):
                        create(number, f"{staged[folder]}/{name}")

            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(workers) as threads:
                list(threads.map(create_part, range(workers)))
            for folder in folders:
                self._move_files(staged[folder], folder)
            shutil.rmtree(area)
            filesystem.fsync_many(f"{self.location}/{path}" for path in (*paths, *folders))

    def _move_files(self, staged: Path, folder: str) -> None:
        """Move files to a folder of the repository, all at once if it is new."""
        target = self._with_parent(folder)
        reject_links(self.root, target)
        if not target.exists():
            staged.rename(target)
            return
        for file in staged.iterdir():
            file.replace(target / file.name)

    def write(self, files: Mapping[str, bytes]) -> None:
        with translate_os_errors(self.root):
            staged_files = {}
            for number, (path, data) in enumerate(files.items()):
                staged = self._with_parent(f"{_STAGING}/{number}")
                staged.write_bytes(data)
                staged.chmod(0o644)
                staged_files[self._with_parent(path)] = staged
            filesystem.fsync_many(staged_files.values())
            for target, staged in staged_files.items():
                staged.replace(target)
            filesystem.fsync_many({target.parent for target in staged_files})

    def remove(self, paths: Iterable[str]) -> None:
        with translate_os_errors(self.root):
            folders: set[Path] = set()
            for path in paths:
                target = self.root / check_path(path)
                reject_links(self.root, target.parent)
                target.unlink(missing_ok=True)
                folders.update(target.relative_to(self.root).parents)
            for folder in sorted(folders, key=lambda f: -len(f.parts)):
                if folder.parts:
                    with suppress(OSError):
                        (self.root / folder).rmdir()

    def swap(self, swaps: Sequence[FolderSwap], state_files: Mapping[str, bytes]) -> None:
        with translate_os_errors(self.root):
            area = self._with_parent(f"{_STAGING}/next/x").parent
            staged = [self._stage(swap, area / str(i)) for i, swap in enumerate(swaps)]
            for path, data in state_files.items():
                self.write({path: data})
            for swap, folder in zip(swaps, staged, strict=True):
                self._replace_folder(swap, folder)
            filesystem.fsync_many({(self.root / swap.folder).parent for swap in swaps})
            shutil.rmtree(area)

    def _stage(self, swap: FolderSwap, area: Path) -> Path:
        """Build the next folder in the staging area; kept files are hard-linked."""
        live = self.root / check_path(swap.folder)
        reject_links(self.root, live)
        folders = {area}
        filesystem.create_folder(area)
        for name in sorted((*swap.new_files, *swap.kept_files)):
            parent = (area / check_path(name)).parent
            if parent not in folders:
                filesystem.create_folder(parent)
                folders.add(parent)
        for name in swap.kept_files:
            filesystem.link_or_copy(live / name, area / name)
        written: dict[int, Path] = {}
        mtime = _later_mtime([live / name for name in swap.entry_files])
        for name, data in swap.new_files.items():
            if id(data) in written:  # an index and its by-hash copy
                filesystem.link_or_copy(written[id(data)], area / name)
                continue
            path = written[id(data)] = area / name
            path.write_bytes(data)
            path.chmod(0o644)
            os.utime(path, (mtime, mtime))
        filesystem.fsync_many([*written.values(), *folders])
        return area

    def _replace_folder(self, swap: FolderSwap, staged: Path) -> None:
        live = self.root / swap.folder
        filesystem.create_folder(live.parent)
        if not live.exists():
            staged.rename(live)
        elif not filesystem.exchange_folders(staged, live):
            self._replace_files(swap, staged, live)

    def _replace_files(self, swap: FolderSwap, staged: Path, live: Path) -> None:
        """Replace file by file, entry files last, where folders cannot be exchanged."""
        others = [name for name in swap.new_files if name not in swap.entry_files]
        for name in (*others, *swap.entry_files):
            target = live / name
            filesystem.create_folder(target.parent)
            (staged / name).replace(target)
        for path in self.file_sizes(swap.folder):
            name = path.removeprefix(f"{swap.folder}/")
            if name not in swap.new_files and name not in swap.kept_files:
                (self.root / path).unlink()

    @contextmanager
    def lease(self, wait: float) -> Iterator[int]:
        with translate_os_errors(self.root):
            path = self._with_parent(f"{METADATA_FOLDER}/lock")
            reject_links(self.root, path)
            with lock.acquire_lock(path, self.location, wait) as token:
                self._clear_staging()
                yield token
                self._clear_staging()

    def _with_parent(self, path: str) -> Path:
        """Return the full path of a file whose folder exists afterwards."""
        target = self.root / check_path(path)
        reject_links(self.root, target.parent)
        filesystem.create_folder(target.parent)
        return target

    def _clear_staging(self) -> None:
        """Delete partial files: our own, or those of a publisher that was killed."""
        reject_links(self.root, self.root / _STAGING)
        if (self.root / _STAGING).exists():
            shutil.rmtree(self.root / _STAGING)


def _later_mtime(files: Iterable[Path]) -> float:
    """Return the current time, or a later one whose second is after that of any of these files.

    HTTP's Last-Modified has whole seconds, and apt downloads only what changed since then.
    """
    seconds = [int(file.stat().st_mtime) for file in files if file.exists()]
    return max([time.time(), *(second + 1 for second in seconds)])


def _collect_sizes(folder: str, prefix: str, sizes: dict[str, int]) -> None:
    try:
        entries = os.scandir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    with entries:
        for entry in entries:
            name = f"{prefix}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                _collect_sizes(entry.path, name, sizes)
            elif entry.is_file() and not entry.name.startswith("."):
                sizes[name] = entry.stat().st_size
