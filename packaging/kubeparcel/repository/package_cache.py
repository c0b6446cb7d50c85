"""What was once read of package files, in the user's cache: nothing is hashed or parsed twice.

Only a help: it may be deleted at any time, and is made anew when it is damaged.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from kubeparcel.model import Format
from kubeparcel.paths import cache_dir

_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
  path TEXT PRIMARY KEY, size INTEGER, mtime INTEGER, sha256 TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (
  sha256 TEXT PRIMARY KEY, format TEXT, name TEXT, version TEXT, arch TEXT, size INTEGER,
  content TEXT, needs TEXT, signed INTEGER);
CREATE TABLE IF NOT EXISTS pieces (sha256 TEXT PRIMARY KEY, first TEXT, second TEXT, third TEXT);
CREATE TABLE IF NOT EXISTS published (
  place TEXT PRIMARY KEY, generation INTEGER, homes TEXT, rows TEXT);
CREATE TABLE IF NOT EXISTS passed (sha256 TEXT PRIMARY KEY) WITHOUT ROWID;
"""
_VERSION = 3
_MANY = 3
"""To look for one row takes so many times as long as to walk over one."""


FORMATS: Mapping[str, Format] = {str(form): form for form in Format}


class FileStamp(NamedTuple):
    """A file of the user's as it was when it was read: size in bytes, mtime in nanoseconds."""

    path: str
    size: int
    mtime_ns: int
    sha256: str


class PackageMetadata(NamedTuple):
    """Metadata of a package file. `content_digest` is as in `Package`; `signed` is true for an rpm
    with a signature, which nobody has verified."""

    sha256: str
    format: Format
    name: str
    version: str
    arch: str
    size: int
    content_digest: str
    dependencies: str
    signed: bool


class IndexEntry(NamedTuple):
    """What indexes say of a package: a stanza for apt, or three pieces of XML for yum."""

    primary: str
    filelists: str = ""
    other: str = ""


class LastPublish(NamedTuple):
    """What a folder held when it was last published, as `folder.listing` has it.

    `generation` is what the repository became or was, `homes` are the suites that its packages
    of Kubernetes itself are in.
    """

    generation: int
    home_suites: frozenset[str]
    files: str


class PackageCache:
    """The database; use `opened`."""

    def __init__(self, base: sqlite3.Connection) -> None:
        self.connection = base

    def digests(self, files: Sequence[FileStamp]) -> list[str]:
        """The sha256 of each of these, empty for one that is not known as it is now."""
        rows = self._select("files", "path", (file.path for file in files))
        found = {row[:3]: row[3] for row in rows}
        return [found.get(file[:3], "") for file in files]

    def metadata(self, digests: Iterable[str]) -> dict[str, PackageMetadata]:
        """What is known of these files, by sha256."""
        wanted = frozenset(digests)
        rows = (row for row in self._select("facts", "sha256", wanted) if row[0] in wanted)
        return {row[0]: PackageMetadata(row[0], FORMATS[row[1]], *row[2:]) for row in rows}

    def index_entries(self, digests: Iterable[str]) -> dict[str, IndexEntry]:
        """What indexes say of those of these packages that are known, and maybe of others."""
        return {
            row[0]: IndexEntry._make(row[1:]) for row in self._select("pieces", "sha256", digests)
        }

    def deb_stanzas(self, digests: Iterable[str]) -> dict[str, str]:
        """The first pieces alone, which are all that debs have: half the time."""
        return dict(self._select("pieces", "sha256", digests, "sha256, first"))

    def layout_checked(self, digests: Iterable[str]) -> frozenset[str]:
        """Which of these passed the layout check."""
        wanted = frozenset(digests)
        return wanted & {row[0] for row in self._select("passed", "sha256", wanted)}

    def store_digests(self, rows: Sequence[FileStamp]) -> None:
        """Remember files of the user's."""
        with self.connection:
            self.connection.executemany("INSERT OR REPLACE INTO files VALUES (?,?,?,?)", rows)

    def store_packages(
        self, facts: Sequence[PackageMetadata], pieces: Mapping[str, IndexEntry]
    ) -> None:
        """Remember packages."""
        rows = [(digest, *piece) for digest, piece in pieces.items()]
        with self.connection:
            self.connection.executemany(
                "INSERT OR REPLACE INTO facts VALUES (?,?,?,?,?,?,?,?,?)", facts
            )
            self.connection.executemany("INSERT OR REPLACE INTO pieces VALUES (?,?,?,?)", rows)

    def store_layout_checked(self, digests: Iterable[str]) -> None:
        """Remember which packages passed the layout check."""
        with self.connection:
            rows = [(digest,) for digest in digests]
            self.connection.executemany("INSERT OR REPLACE INTO passed VALUES (?)", rows)

    def last_publish(self, place: str, generation: int) -> LastPublish | None:
        """What was last published from one place to another, if nothing has changed there since."""
        query = "SELECT homes, rows FROM published WHERE place = ? AND generation = ?"
        row = self.connection.execute(query, (place, generation)).fetchone()
        return LastPublish(generation, frozenset(row[0].split()), row[1]) if row else None

    def store_last_publish(self, place: str, last: LastPublish) -> None:
        """Remember that."""
        row = (place, last.generation, " ".join(sorted(last.home_suites)), last.files)
        with self.connection:
            self.connection.execute("INSERT OR REPLACE INTO published VALUES (?,?,?,?)", row)

    def _select(
        self, table: str, key: str, values: Iterable[str], columns: str = "t.*"
    ) -> Iterable[tuple[Any, ...]]:
        """The rows of these, one by one, or all there are when these are a good part of them."""
        wanted = list(frozenset(values))
        count = self.connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
        if len(wanted) * _MANY > count:
            return self.connection.execute(f"SELECT {columns} FROM {table} t")  # noqa: S608
        query = f"SELECT {columns} FROM json_each(?) j CROSS JOIN {table} t ON t.{key} = j.value"  # noqa: S608
        return self.connection.execute(query, (json.dumps(wanted),))


@contextmanager
def open_cache(folder: Path | None = None) -> Iterator[PackageCache]:
    """The memory of this user; an empty one for this run only where there can be none."""
    base = _connect((folder or cache_dir()) / "publish.sqlite")
    try:
        yield PackageCache(base)
    finally:
        base.close()


def _connect(path: Path) -> sqlite3.Connection:
    for _ in range(2):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return _prepared(sqlite3.connect(path, timeout=30))
        except sqlite3.DatabaseError:
            for name in (path, *path.parent.glob(f"{path.name}-*")):
                name.unlink(missing_ok=True)
        except OSError:
            break
    return _prepared(sqlite3.connect(":memory:"))


def _prepared(base: sqlite3.Connection) -> sqlite3.Connection:
    base.execute("PRAGMA page_size = 16384")  # what indexes say of a package fits in one
    base.execute("PRAGMA journal_mode = WAL")
    base.execute("PRAGMA synchronous = OFF")
    version = base.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, _VERSION):
        raise sqlite3.DatabaseError("of another version")
    if not version:
        base.executescript(_SCHEMA)
        base.execute(f"PRAGMA user_version = {_VERSION}")
    return base
