"""A repository in a folder: what clients read changes by swapping whole folders."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from kubeparcel.errors import Busy
from kubeparcel.repository.storage import filesystem
from kubeparcel.repository.storage.base import METADATA_FOLDER, FolderSwap, check_path
from kubeparcel.store import translate_os_errors

_PAUSE = 0.1
_AREA = f"{METADATA_FOLDER}/half-made"


class FolderStorage:
    """A folder on this machine, or one that looks like it."""

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

    def file_sizes(self, prefix: str) -> dict[str, int]:
        start = str(self.root / check_path(prefix))
        found: dict[str, int] = {}
        with translate_os_errors(self.root):
            _sizes(start, prefix, found)
        return found

    def file_names(self, folder: str) -> list[str]:
        with translate_os_errors(self.root), suppress(FileNotFoundError):
            start = self.root / check_path(folder) if folder else self.root
            return sorted(row.name for row in os.scandir(start) if row.is_file())
        return []

    def add(self, files: Sequence[tuple[str, str]]) -> None:
        with translate_os_errors(self.root):
            part = self._room(f"{_AREA}/part")
            targets = [f"{self.location}/{check_path(path)}" for path, _ in files]
            folders = {Path(name) for name in {target.rpartition("/")[0] for target in targets}}
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)
            for target, (_, source) in zip(targets, files, strict=True):
                if not filesystem.try_hardlink(source, target):
                    part.unlink(missing_ok=True)
                    filesystem.import_file(Path(source), part)
                    part.rename(target)
            filesystem.fsync_many([*targets, *folders])

    def copy(self, pairs: Sequence[tuple[str, str]]) -> None:
        self.add([(new, f"{self.location}/{check_path(old)}") for old, new in pairs])

    def write(self, files: Mapping[str, bytes]) -> None:
        with translate_os_errors(self.root):
            parts = {}
            for number, (path, data) in enumerate(files.items()):
                part = self._room(f"{_AREA}/{number}")
                part.write_bytes(data)
                part.chmod(0o644)
                parts[self._room(path)] = part
            filesystem.fsync_many(parts.values())
            for target, part in parts.items():
                part.replace(target)
            filesystem.fsync_many({target.parent for target in parts})

    def remove(self, paths: Iterable[str]) -> None:
        with translate_os_errors(self.root):
            folders: set[Path] = set()
            for path in paths:
                target = self.root / check_path(path)
                target.unlink(missing_ok=True)
                folders.update(target.relative_to(self.root).parents)
            for folder in sorted(folders, key=lambda f: -len(f.parts)):
                if folder.parts:
                    with suppress(OSError):
                        (self.root / folder).rmdir()

    def swap(self, swaps: Sequence[FolderSwap], begin: Mapping[str, bytes]) -> None:
        with translate_os_errors(self.root):
            area = self._room(f"{_AREA}/next/x").parent
            staged = [self._stage(swap, area / str(i)) for i, swap in enumerate(swaps)]
            for path, data in begin.items():
                self.write({path: data})
            for swap, folder in zip(swaps, staged, strict=True):
                self._switch(swap, folder)
            filesystem.fsync_many({(self.root / swap.folder).parent for swap in swaps})
            shutil.rmtree(area)

    def _stage(self, swap: FolderSwap, area: Path) -> Path:
        """Build the next folder beside the present one; what stays is linked."""
        live = self.root / check_path(swap.folder)
        folders = {area}
        area.mkdir()
        for name in sorted((*swap.new_files, *swap.kept_files)):
            parent = (area / check_path(name)).parent
            if parent not in folders:
                parent.mkdir(parents=True, exist_ok=True)
                folders.add(parent)
        for name in swap.kept_files:
            filesystem.link_or_copy(live / name, area / name)
        written: dict[int, Path] = {}
        when = _later([live / name for name in swap.entry_files])
        for name, data in swap.new_files.items():
            if id(data) in written:  # an index and the same by its hash
                filesystem.link_or_copy(written[id(data)], area / name)
                continue
            path = written[id(data)] = area / name
            path.write_bytes(data)
            path.chmod(0o644)
            os.utime(path, (when, when))
        filesystem.fsync_many([*written.values(), *folders])
        return area

    def _switch(self, swap: FolderSwap, staged: Path) -> None:
        live = self.root / swap.folder
        live.parent.mkdir(parents=True, exist_ok=True)
        if not live.exists():
            staged.rename(live)
        elif not filesystem.exchange_folders(staged, live):
            self._one_by_one(swap, staged, live)

    def _one_by_one(self, swap: FolderSwap, staged: Path, live: Path) -> None:
        """For file systems that cannot exchange folders: the entry files last."""
        first = [name for name in swap.new_files if name not in swap.entry_files]
        for name in (*first, *swap.entry_files):
            target = live / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (staged / name).replace(target)
        for path in self.file_sizes(swap.folder):
            name = path.removeprefix(f"{swap.folder}/")
            if name not in swap.new_files and name not in swap.kept_files:
                (self.root / path).unlink()

    @contextmanager
    def lease(self, wait: float) -> Iterator[int]:
        with translate_os_errors(self.root):
            path = self._room(f"{METADATA_FOLDER}/lock")
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                _acquire(handle, self.location, wait)
                token = _token(handle) + 1
                now = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
                holder = f"{token}\nprocess {os.getpid()} on {os.uname().nodename} since {now}\n"
                os.ftruncate(handle, 0)
                os.pwrite(handle, holder.encode(), 0)
                self._clear()
                yield token
                self._clear()
            finally:
                os.close(handle)

    def _room(self, path: str) -> Path:
        target = self.root / check_path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def _clear(self) -> None:
        """Take away what is half-made: ours, or left by a publisher that was killed."""
        if (self.root / _AREA).exists():
            shutil.rmtree(self.root / _AREA)


def _later(files: Iterable[Path]) -> float:
    """A time of change that is now, but of a later second than that of any of these files.

    Web servers tell clients of whole seconds, and apt asks only for what has changed since.
    """
    known = [int(file.stat().st_mtime) for file in files if file.exists()]
    return max([time.time(), *(second + 1 for second in known)])


def _sizes(folder: str, prefix: str, found: dict[str, int]) -> None:
    try:
        rows = os.scandir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    with rows:
        for row in rows:
            name = f"{prefix}/{row.name}"
            if row.is_dir(follow_symlinks=False):
                _sizes(row.path, name, found)
            elif row.is_file() and not row.name.startswith("."):
                found[name] = row.stat().st_size


def _acquire(handle: int, where: str, wait: float) -> None:
    end = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < end:
                time.sleep(_PAUSE)
                continue
            who = os.pread(handle, 4096, 0).decode("utf-8", "replace").partition("\n")[2].strip()
            raise Busy(
                f"Another publisher is changing {where} ({who or 'another process'}).",
                "Wait for it and run the same command again, or give --wait SECONDS.",
            ) from None
        return


def _token(handle: int) -> int:
    first = os.pread(handle, 64, 0).decode("ascii", "replace").partition("\n")[0]
    return int(first) if first.isdigit() else 0
