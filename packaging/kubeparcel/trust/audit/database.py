"""Checks a copy of Go's vulnerability database (https://go.dev/security/vuln/database#api) before it is used.

govulncheck reports nothing for a module that the index lacks: with a damaged copy, vulnerable packages would pass.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from kubeparcel.errors import ExternalError, UsageError
from kubeparcel.files import translate_os_errors
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.json_document import parse_json
from kubeparcel.trust.audit.model import Database

OFFICIAL = "https://vuln.go.dev"
COPY_HINT = (
    f"Get a copy where there is a network: curl -O {OFFICIAL}/vulndb.zip, unzip -d vulndb vulndb.zip;\n"
    "then pass --database vulndb, or set vulnerability-database in kubeparcel.yaml."
)
_DAY = 86_400
_CLOCK_SKEW = _DAY


class DatabaseError(ExternalError):
    """The vulnerability database is missing, damaged or too old: nothing was audited."""


def locate_database(text: str, base: Path) -> tuple[str, Path | None]:
    """Return the address of a database, and its folder if it is local; `text` is a URL or a folder below `base`."""
    if not text:
        return OFFICIAL, None
    scheme, colon, _ = text.partition("://")
    if colon and scheme in ("http", "https"):
        return text.rstrip("/"), None
    if colon and scheme != "file":
        raise UsageError(f"Unsupported database {text}.", "Give a folder, or a URL with http, https or file.")
    folder = Path(unquote(urlparse(text).path)) if colon else (base / text).absolute()
    return folder.as_uri(), folder


def check_copy(folder: Path, modules: Iterable[str]) -> None:
    """Raise DatabaseError unless a folder has a whole database, with valid entries for these modules."""
    if not folder.is_dir():
        hint = "Unpack it first: unzip -d vulndb vulndb.zip." if folder.is_file() else COPY_HINT
        raise DatabaseError(f"No vulnerability database at {folder}: it is not a folder.", hint)
    index = _read_list(folder / "index/modules.json")
    listed = {str(row.get("path")): [str(v.get("id")) for v in _rows(row.get("vulns"))] for row in index}
    known = {str(row.get("id")) for row in _read_list(folder / "index/vulns.json")}
    indexed = {vulnerability for ids in listed.values() for vulnerability in ids}
    with translate_os_errors(folder / "ID"):
        files = {path.stem for path in folder.glob("ID/*.json")}
    if missing := sorted((files ^ known) | (indexed - known)):
        raise DatabaseError(
            f"{folder}: its indexes and entries do not belong together: {missing[0]} is in one of index/modules.json, "
            f"index/vulns.json and ID/, but not in all ({len(missing):,} such).",
            COPY_HINT,
        )
    for module in sorted({*modules} & listed.keys()):
        for vulnerability in listed[module]:
            _check_entry(folder / "ID" / f"{vulnerability}.json", vulnerability, module)


def _check_entry(path: Path, vulnerability: str, module: str) -> None:
    entry = _read(path)
    if not isinstance(entry, dict) or entry.get("id") != vulnerability:
        raise DatabaseError(f"{path} is not the entry of {vulnerability}.", COPY_HINT)
    packages = _rows([row.get("package") for row in _rows(entry.get("affected"))])
    affected = {str(package.get("name")) for package in packages}
    if module not in affected:
        raise DatabaseError(f"{path} does not affect {module}, for which the index lists it.", COPY_HINT)


def _rows(value: Any) -> list[dict[str, Any]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _read_list(path: Path) -> list[dict[str, Any]]:
    rows = _rows(_read(path))
    if not rows:
        raise DatabaseError(f"{path} lists nothing.", COPY_HINT)
    return rows


def _read(path: Path) -> Any:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatabaseError(f"{path}: {error.strerror}.", COPY_HINT) from None
    if not data.strip():
        raise DatabaseError(f"{path} is empty.", COPY_HINT)
    try:
        return parse_json(data, str(path))
    except MalformedData as error:
        raise DatabaseError(f"{error}.", COPY_HINT) from None


def require_recent(address: str, modified: str, max_age: int) -> Database:
    """Return the database with the date of its last change. Raises DatabaseError if it is older than `max_age` days."""
    try:
        changed = datetime.fromisoformat(modified).astimezone(UTC)
    except (ValueError, OverflowError):
        problem = f"{address} has no date of its last change: index/db.json is missing or damaged."
        raise DatabaseError(problem, COPY_HINT) from None
    age = (time.time() - changed.timestamp()) / _DAY
    date = changed.strftime("%Y-%m-%d")
    if age * _DAY < -_CLOCK_SKEW:
        raise DatabaseError(f"{address} was changed in the future, on {date}.", "Check the clock of this machine.")
    if age > max_age:
        raise DatabaseError(
            f"{address} is from {date}, {age:,.0f} days old: it lacks what was found since (--max-age {max_age}).",
            f"Update the copy, or pass --max-age {age + 1:.0f} to use it all the same.",
        )
    return Database(address, changed.timestamp())
