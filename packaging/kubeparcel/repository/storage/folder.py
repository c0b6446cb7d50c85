"""A repository in a folder: what clients read changes by swapping whole folders."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from kubeparcel.errors import Busy
from kubeparcel.repository.background import beside, threaded
from kubeparcel.repository.storage import filesystem
from kubeparcel.repository.storage.base import OWN, Swap, T, safe
from kubeparcel.store import translate_os_errors

_PAUSE = 0.1
_AREA = f"{OWN}/half-made"


class Directory:
    """A folder on this machine, or one that looks like it."""

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.normpath(root))
        self.where = str(self.root)
        self.address = self.root.absolute().as_uri()

    def read(self, path: str, limit: int | None = None) -> bytes | None:
        with (
            translate_os_errors(self.root),
            suppress(FileNotFoundError, NotADirectoryError),
            (self.root / safe(path)).open("rb") as file,
        ):
            return file.read(-1 if limit is None else limit)
        return None

    def sizes(self, prefix: str) -> dict[str, int]:
        start = str(self.root / safe(prefix))
        found: dict[str, int] = {}
        with translate_os_errors(self.root):
            _sizes(start, prefix, found)
        return found

    def names(self, folder: str) -> list[str]:
        with translate_os_errors(self.root), suppress(FileNotFoundError):
            start = self.root / safe(folder) if folder else self.root
            return sorted(row.name for row in os.scandir(start) if row.is_file())
        return []

    def add(self, files: Sequence[tuple[str, str]]) -> None:
        with translate_os_errors(self.root):
            part = self._room(f"{_AREA}/part")
            targets = [f"{self.where}/{safe(path)}" for path, _ in files]
            folders = {Path(name) for name in {target.rpartition("/")[0] for target in targets}}
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)
            for target, (_, source) in zip(targets, files, strict=True):
                if not filesystem.linked(source, target):
                    part.unlink(missing_ok=True)
                    filesystem.take(Path(source), part)
                    part.rename(target)
            filesystem.flush([*targets, *folders])

    def copy(self, pairs: Sequence[tuple[str, str]]) -> None:
        self.add([(new, f"{self.where}/{safe(old)}") for old, new in pairs])

    def write(self, files: Mapping[str, bytes]) -> None:
        with translate_os_errors(self.root):
            parts = {}
            for number, (path, data) in enumerate(files.items()):
                part = self._room(f"{_AREA}/{number}")
                part.write_bytes(data)
                part.chmod(0o644)
                parts[self._room(path)] = part
            filesystem.flush(parts.values())
            for target, part in parts.items():
                part.replace(target)
            filesystem.flush({target.parent for target in parts})

    def remove(self, paths: Iterable[str]) -> None:
        with translate_os_errors(self.root):
            folders: set[Path] = set()
            for path in paths:
                target = self.root / safe(path)
                target.unlink(missing_ok=True)
                folders.update(target.relative_to(self.root).parents)
            for folder in sorted(folders, key=lambda f: -len(f.parts)):
                if folder.parts:
                    with suppress(OSError):
                        (self.root / folder).rmdir()

    def swap(self, swaps: Sequence[Swap], begin: Mapping[str, bytes]) -> None:
        with translate_os_errors(self.root):
            area = self._room(f"{_AREA}/next/x").parent
            staged = [self._stage(swap, area / str(i)) for i, swap in enumerate(swaps)]
            for path, data in begin.items():
                self.write({path: data})
            for swap, folder in zip(swaps, staged, strict=True):
                self._switch(swap, folder)
            filesystem.flush({(self.root / swap.folder).parent for swap in swaps})
            shutil.rmtree(area)

    def _stage(self, swap: Swap, area: Path) -> Path:
        """Build the next folder beside the present one; what stays is linked."""
        live = self.root / safe(swap.folder)
        folders = {area}
        area.mkdir()
        for name in sorted((*swap.new, *swap.kept)):
            parent = (area / safe(name)).parent
            if parent not in folders:
                parent.mkdir(parents=True, exist_ok=True)
                folders.add(parent)
        for name in swap.kept:
            filesystem.link_or_copy(live / name, area / name)
        written: dict[int, Path] = {}
        when = _later([live / name for name in swap.last])
        for name, data in swap.new.items():
            if id(data) in written:  # an index and the same by its hash
                filesystem.link_or_copy(written[id(data)], area / name)
                continue
            path = written[id(data)] = area / name
            path.write_bytes(data)
            path.chmod(0o644)
            os.utime(path, (when, when))
        filesystem.flush([*written.values(), *folders])
        return area

    def _switch(self, swap: Swap, staged: Path) -> None:
        live = self.root / swap.folder
        live.parent.mkdir(parents=True, exist_ok=True)
        if not live.exists():
            staged.rename(live)
        elif not filesystem.exchange(staged, live):
            self._one_by_one(swap, staged, live)

    def _one_by_one(self, swap: Swap, staged: Path, live: Path) -> None:
        """For file systems that cannot exchange folders: the entry files last."""
        first = [name for name in swap.new if name not in swap.last]
        for name in (*first, *swap.last):
            target = live / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (staged / name).replace(target)
        for path in self.sizes(swap.folder):
            name = path.removeprefix(f"{swap.folder}/")
            if name not in swap.new and name not in swap.kept:
                (self.root / path).unlink()

    def beside(self, work: Callable[[], T], files: int) -> AbstractContextManager[Callable[[], T]]:
        return beside(work) if files > filesystem.MANY else threaded(work)

    @contextmanager
    def lease(self, wait: float) -> Iterator[int]:
        with translate_os_errors(self.root):
            path = self._room(f"{OWN}/lock")
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                _acquire(handle, self.where, wait)
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
        target = self.root / safe(path)
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
