"""A cache of package metadata in the user's cache folder, so that no file is read twice.

It may be deleted at any time; a damaged one is replaced. Its rows decide what is signed, so each is authenticated:
rows written by anyone else are ignored.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from kubeparcel.model import Format
from kubeparcel.paths import cache_dir
from kubeparcel.record_key import authenticator
from kubeparcel.repository.file_stamp import FileStamp

_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
  path TEXT PRIMARY KEY, stamp TEXT, sha256 TEXT, mac BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS metadata (
  sha256 TEXT PRIMARY KEY, format TEXT, name TEXT, version TEXT, arch TEXT, size INTEGER,
  content_digest TEXT, dependencies TEXT, signed INTEGER, mac BLOB);
CREATE TABLE IF NOT EXISTS index_entries (
  sha256 TEXT PRIMARY KEY, "primary" TEXT, filelists TEXT, other TEXT, mac BLOB);
CREATE TABLE IF NOT EXISTS last_publish (
  target TEXT PRIMARY KEY, state TEXT, home_suites TEXT, files TEXT, side_files TEXT, mac BLOB);
CREATE TABLE IF NOT EXISTS layout_checked (sha256 TEXT PRIMARY KEY, mac BLOB) WITHOUT ROWID;
"""
_SCHEMA_VERSION = 9
_SEPARATOR = "\x1f"
_FORMATS = {str(format_): format_ for format_ in Format}


class PackageMetadata(NamedTuple):
    """The metadata of a package file; the fields are those of `model.Package`.

    `signed` is true for an RPM with a signature, which has not been verified.
    """

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
    """The index entry of a package: a stanza for apt in `primary`, or XML for three yum indexes."""

    primary: str
    filelists: str = ""
    other: str = ""


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

    def metadata(self, digests: Iterable[str]) -> dict[str, PackageMetadata]:
        """Return the cached metadata by SHA-256."""
        rows = self._select("metadata", "sha256", digests)
        return {row[0]: PackageMetadata(row[0], _FORMATS[row[1]], *row[2:]) for row in rows}

    def index_entries(self, digests: Iterable[str]) -> dict[str, IndexEntry]:
        """Return the cached index entries by SHA-256."""
        requested = frozenset(digests)
        # Publishing needs most entries: reading all 10,000 takes 8 ms, looking them up 40 ms.
        rows = self._connection.execute("SELECT * FROM index_entries")
        authentic = _authentic("index_entries", (row for row in rows if row[0] in requested))
        return {row[0]: IndexEntry._make(row[1:]) for row in authentic}

    def layout_checked(self, digests: Iterable[str]) -> frozenset[str]:
        """Return the SHA-256 of the packages that passed the layout check."""
        return frozenset(row[0] for row in self._select("layout_checked", "sha256", digests))

    def last_publish(self, target: str, state: str) -> LastPublish | None:
        """Return the last publish to `target` if the repository still has the state with this SHA-256."""
        query = "SELECT * FROM last_publish WHERE target = ? AND state = ?"
        for row in _authentic("last_publish", self._connection.execute(query, (target, state))):
            home_suites, files, side_files = map(json.loads, row[2:])
            return LastPublish(state, frozenset(home_suites), tuple(files), tuple(side_files))
        return None

    def store_digests(self, digests: Mapping[FileStamp, str]) -> None:
        """Store the SHA-256 of local files."""
        rows = ((file.path, str(file), sha256) for file, sha256 in digests.items() if file.is_reliable)
        self._insert("files", rows)

    def store_metadata(self, packages: Iterable[PackageMetadata]) -> None:
        """Store the metadata of packages."""
        self._insert("metadata", ((*package[:-1], int(package.signed)) for package in packages))

    def store_index_entries(self, entries: Mapping[str, IndexEntry]) -> None:
        """Store index entries by SHA-256."""
        self._insert("index_entries", ((digest, *entry) for digest, entry in entries.items()))

    def store_layout_checked(self, digests: Iterable[str]) -> None:
        """Store which packages passed the layout check."""
        self._insert("layout_checked", ((digest,) for digest in digests))

    def store_last_publish(self, target: str, publish: LastPublish) -> None:
        """Store what was published to `target`."""
        home_suites = json.dumps(sorted(publish.home_suites))
        row = (target, publish.state, home_suites, json.dumps(publish.files), json.dumps(publish.side_files))
        self._insert("last_publish", [row])

    def _select(self, table: str, key: str, values: Iterable[str]) -> Iterable[tuple[Any, ...]]:
        query = f"SELECT * FROM {table} WHERE {key} IN (SELECT value FROM json_each(?))"  # noqa: S608
        return _authentic(table, self._connection.execute(query, (json.dumps([*values]),)))

    def _insert(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        state = authenticator(table)
        sealed = [(*row, _mac(state, row)) for row in rows]
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


def _authentic(table: str, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows that we wrote, without their authentication."""
    state = authenticator(table)
    for row in rows:
        if (mac := _mac(state, row[:-1])) and mac == row[-1]:
            yield row[:-1]


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
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, _SCHEMA_VERSION):
        raise sqlite3.DatabaseError(f"unknown schema version {version}")
    if not version:
        connection.executescript(_SCHEMA)
        connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
    return connection
