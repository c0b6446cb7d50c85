"""A cache of package metadata in the user's cache folder, so that no file is read twice.

It may be deleted at any time; a damaged one is replaced. Its rows decide what is signed, so each is authenticated:
rows written by anyone else are ignored.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from kubeparcel.paths import cache_dir
from kubeparcel.record_key import authenticator
from kubeparcel.repository.file_stamp import FileStamp
from kubeparcel.repository.package import Package

_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
  path TEXT PRIMARY KEY, stamp TEXT, sha256 TEXT, mac BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS packages (
  format TEXT, name TEXT, version TEXT, arch TEXT, sha256 TEXT PRIMARY KEY, size INTEGER, content_digest TEXT,
  dependencies TEXT, path TEXT, signed INTEGER, "primary" TEXT, filelists TEXT, other TEXT, mac BLOB);
CREATE TABLE IF NOT EXISTS index_parts (
  place TEXT, key TEXT, "primary" TEXT, filelists TEXT, other TEXT, mac BLOB, PRIMARY KEY (place, key));
CREATE TABLE IF NOT EXISTS last_publish (
  target TEXT PRIMARY KEY, state TEXT, home_suites TEXT, files TEXT, side_files TEXT, mac BLOB);
CREATE TABLE IF NOT EXISTS layout_checked (sha256 TEXT PRIMARY KEY, mac BLOB) WITHOUT ROWID;
"""
_SCHEMA_VERSION = 11
_FIELDS = len(Package._fields)
"""The number of columns with the fields of a package; `signed` and its index entry follow."""

_SHA256 = Package._fields.index("sha256")
_SEPARATOR = "\x1f"


class IndexEntry(NamedTuple):
    """The index entry of a package: a stanza for apt in `primary`, or XML for three yum indexes."""

    primary: str
    filelists: str = ""
    other: str = ""


LoadParts = Callable[[str, Sequence[Package], str], Iterator[IndexEntry]]
"""Yields the index entries of sorted packages, joined by a separator; the name is that of the index in its folder."""


class ParsedPackage(NamedTuple):
    """What is read of a package file: the package at the path where it will be published, and its index entry.

    `signed` is true for an RPM with a signature, which has not been verified.
    """

    package: Package
    signed: bool
    entry: IndexEntry


class ParsedFile(NamedTuple):
    """A local package file, and what is read of it."""

    file: FileStamp
    parsed: ParsedPackage


Row = tuple[Any, ...]
"""A row of a table; a sealed one ends with its authentication."""


class LastPublish(NamedTuple):
    """What was in a folder when it was last published; `files` are those with reliable stamps.

    `state` is the SHA-256 of the repository's state file afterwards. `home_suites` are the suites of the folder's
    Kubernetes core packages. `side_files` are the files about the packages.
    """

    state: str
    home_suites: frozenset[str]
    files: tuple[FileStamp, ...]
    side_files: tuple[FileStamp, ...] = ()


class PackageCache:
    """The database of the cache; create it with `open_cache`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def digests(self, files: Sequence[FileStamp]) -> dict[FileStamp, str]:
        """Return the SHA-256 of the files that have not changed since they were read."""
        rows = self._select("files", "path", (file.path for file in files))
        digests = {stamp: sha256 for _, stamp, sha256 in rows}
        return {file: digests[file] for file in files if file in digests}

    def packages(self, digests: Iterable[str]) -> dict[Package, bool]:
        """Return the cached packages, and whether they have a signature."""
        return dict(map(package_of, self._select("packages", "sha256", digests)))

    def index_entries(self, digests: Iterable[str]) -> dict[str, IndexEntry]:
        """Return the cached index entries by SHA-256."""
        rows = self._select("packages", "sha256", digests)
        return {row[_SHA256]: IndexEntry._make(row[_FIELDS + 1 :]) for row in rows}

    def index_part(self, place: str, key: str) -> IndexEntry | None:
        """Return joined index entries of `place`, an index of a repository, by the key of their packages."""
        query = "SELECT * FROM index_parts WHERE place = ? AND key = ?"
        return next((IndexEntry._make(row[2:]) for row in self._query("index_parts", query, (place, key))), None)

    def layout_checked(self, digests: Iterable[str]) -> frozenset[str]:
        """Return the SHA-256 of the packages that passed the layout check."""
        return frozenset(row[0] for row in self._select("layout_checked", "sha256", digests))

    def last_publish(self, target: str, state: str) -> LastPublish | None:
        """Return the last publish to `target` if the repository still has the state with this SHA-256."""
        query = "SELECT * FROM last_publish WHERE target = ? AND state = ?"
        for row in self._query("last_publish", query, (target, state)):
            home_suites, files, side_files = map(json.loads, row[2:])
            return LastPublish(state, frozenset(home_suites), tuple(files), tuple(side_files))
        return None

    def store_packages(self, packages: Iterable[ParsedPackage]) -> None:
        """Store packages and their index entries."""
        self.store_sealed("packages", seal_packages(packages))

    def store_index_parts(self, place: str, parts: Mapping[str, IndexEntry]) -> None:
        """Store joined index entries by the key of their packages."""
        self._insert("index_parts", ((place, key, *part) for key, part in parts.items()))

    def drop_index_parts(self, place: str, kept: Iterable[str]) -> None:
        """Delete all parts of an index but those with the `kept` keys."""
        query = "DELETE FROM index_parts WHERE place = ? AND key NOT IN (SELECT value FROM json_each(?))"
        with suppress(sqlite3.OperationalError), self._connection:
            self._connection.execute(query, (place, json.dumps([*kept])))

    def store_layout_checked(self, digests: Iterable[str]) -> None:
        """Store which packages passed the layout check."""
        self._insert("layout_checked", ((digest,) for digest in digests))

    def store_last_publish(self, target: str, publish: LastPublish) -> None:
        """Store what was published to `target`."""
        home_suites = json.dumps(sorted(publish.home_suites))
        row = (target, publish.state, home_suites, json.dumps(publish.files), json.dumps(publish.side_files))
        self._insert("last_publish", [row])

    def _select(self, table: str, key: str, values: Iterable[str]) -> Iterator[Row]:
        query = f"SELECT * FROM {table} WHERE {key} IN (SELECT value FROM json_each(?))"  # noqa: S608
        return self._query(table, query, (json.dumps([*values]),))

    def _query(self, table: str, query: str, values: Sequence[str]) -> Iterator[Row]:
        """Yield the rows that we wrote, without their authentication."""
        state = authenticator(table)
        for row in self._connection.execute(query, values):
            if (mac := _mac(state, row[:-1])) and mac == row[-1]:
                yield row[:-1]

    def _insert(self, table: str, rows: Iterable[Row]) -> None:
        self.store_sealed(table, _seal(table, rows))

    def store_sealed(self, table: str, sealed: Sequence[Row]) -> None:
        """Store rows that are sealed."""
        if not sealed:
            return
        query = f"INSERT OR REPLACE INTO {table} VALUES ({','.join('?' * len(sealed[0]))})"  # noqa: S608
        try:
            with self._connection:
                self._connection.executemany(query, sealed)
        except sqlite3.OperationalError:  # such as a full disk
            with closing(self._connection) as full:
                self._connection = sqlite3.connect(":memory:")
                full.backup(self._connection)
            with self._connection:
                self._connection.executemany(query, sealed)

    def close(self) -> None:
        """Close the database."""
        self._connection.close()


def package_of(row: Row) -> tuple[Package, bool]:
    """Return the package in a row, and whether it has a signature."""
    return Package.from_row(row[:_FIELDS]), bool(row[_FIELDS])


def seal_digests(digests: Mapping[FileStamp, str]) -> list[Row]:
    """Return rows for the table `files`; those of files without reliable stamps are left out."""
    return _seal("files", ((file.path, str(file), sha256) for file, sha256 in digests.items() if file.is_reliable))


def seal_packages(packages: Iterable[ParsedPackage]) -> list[Row]:
    """Return rows for the table `packages`; worker processes seal what they read."""
    return _seal("packages", ((*package, int(signed), *entry) for package, signed, entry in packages))


def _seal(table: str, rows: Iterable[Row]) -> list[Row]:
    state = authenticator(table)
    return [(*row, _mac(state, row)) for row in rows]


def _mac(state: hashlib.blake2b, row: Sequence[Any]) -> bytes | None:
    """Return the authentication of a row; None for one whose parts could not be told apart."""
    text = _SEPARATOR.join(map(str, row))
    if text.count(_SEPARATOR) != len(row) - 1:
        return None
    keyed = state.copy()
    keyed.update(text.encode())
    return keyed.digest()


@contextmanager
def open_cache(folder: Path | None = None) -> Iterator[PackageCache]:
    """Open the user's cache, or an empty one in memory if it cannot be written."""
    with closing(PackageCache(_connect((folder or cache_dir()) / "publish.sqlite"))) as cache:
        yield cache


def _connect(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove(link for link in path.parent.glob(f"{path.name}*") if link.is_symlink())
        try:
            return _prepare(sqlite3.connect(path, timeout=30))
        except sqlite3.OperationalError:  # read-only, or a full disk
            raise
        except sqlite3.DatabaseError:
            _remove(path.parent.glob(f"{path.name}*"))
            return _prepare(sqlite3.connect(path, timeout=30))
    except (OSError, sqlite3.DatabaseError):
        return _prepare(sqlite3.connect(":memory:"))


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _prepare(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.execute("PRAGMA page_size = 16384")  # an index entry fits into one page
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -16000")  # KB: new rows change every page of an index of digests
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, _SCHEMA_VERSION):
        raise sqlite3.DatabaseError(f"unknown schema version {version}")
    if not version:
        connection.executescript(_SCHEMA)
        connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
    return connection
