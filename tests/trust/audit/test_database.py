"""A database that is damaged, old or of another kind is an error, never a result without findings."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.vulnerability_databases import date, entry, write_database, write_json
from tests.trust.audit.conftest import HTTP2, NET, FakeScanner, RunAudit

Damage = Callable[[Path], object]

ENTRY = "ID/GO-2026-0001.json"


@pytest.fixture
def error_of(run_audit: RunAudit, scanner: FakeScanner, packages: Path) -> Callable[..., str]:
    """Return a function that audits packages with a database, and returns the error."""
    scanner()

    def audit(database: Path | str, exit_code: int = 3) -> str:
        code, out, error = run_audit(packages, "--database", database)
        assert (code, out) == (exit_code, "")
        return error

    return audit


def _edit(name: str, change: Callable[[object], object]) -> Damage:
    return lambda folder: write_json(folder / name, change(json.loads((folder / name).read_text())))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "index/modules.json").write_text("{{{"), "modules.json is not valid JSON"),
        (lambda folder: (folder / "index/modules.json").write_bytes(b"\xff\xfe"), "modules.json is not valid JSON"),
        (lambda folder: (folder / "index/modules.json").write_text("[" * 100), "modules.json"),
        (lambda folder: (folder / "index/modules.json").write_text(""), "modules.json is empty"),
        (lambda folder: (folder / "index/modules.json").write_text("[]"), "modules.json lists nothing"),
        (lambda folder: (folder / "index/modules.json").write_text('{"a": 1}'), "modules.json lists nothing"),
        (lambda folder: (folder / "index/modules.json").unlink(), "modules.json: No such file"),
        (lambda folder: (folder / "index/vulns.json").unlink(), "vulns.json: No such file"),
        (lambda folder: (folder / ENTRY).unlink(), "GO-2026-0001 is in one of"),
        (lambda folder: (folder / ENTRY).write_text(""), "GO-2026-0001.json is empty"),
        (lambda folder: (folder / ENTRY).write_text("[]"), "is not the entry of GO-2026-0001"),
        (_edit(ENTRY, lambda e: {**e, "id": "GO-2026-0002"}), "is not the entry of GO-2026-0001"),
        (_edit(ENTRY, lambda e: {**e, "affected": []}), f"does not affect {NET}"),
        (_edit(ENTRY, lambda e: {**e, "affected": [{"package": NET}]}), f"does not affect {NET}"),
        (lambda folder: write_json(folder / "ID/GO-2026-0009.json", {}), "GO-2026-0009 is in one of"),
        (_edit("index/vulns.json", lambda rows: [{**rows[0], "id": "GO-2026-0007"}]), "GO-2026-000. is in one of"),
        (_edit("index/modules.json", lambda rows: [{**rows[0], "vulns": [{"id": "GO-1"}]}]), "GO-1 is in one of"),
        (lambda folder: write_json(folder / "index/db.json", {}), "has no date of its last change"),
        (lambda folder: write_json(folder / "index/db.json", {"modified": "soon"}), "has no date of its last change"),
    ],
)
def test_damaged_database_is_an_error_that_names_the_file(error_of, database, damage, message):
    damage(database)
    error = error_of(database)
    assert re.search(message, error)
    assert "vulndb.zip" in error
    assert "Traceback" not in error


@pytest.mark.parametrize(("name", "hint"), [("missing", "Get a copy"), ("vulndb.zip", "unzip -d vulndb")])
def test_missing_folder_and_archive_are_errors_with_the_next_step(error_of, tmp_path, name, hint):
    (tmp_path / "vulndb.zip").write_bytes(b"PK\x03\x04")
    error = error_of(tmp_path / name)
    assert f"No vulnerability database at {tmp_path / name}" in error
    assert hint in error


def test_address_of_another_kind_is_wrong_usage(error_of):
    assert "Unsupported database ftp://example.org/db" in error_of("ftp://example.org/db", 2)


def test_old_database_is_refused_with_its_date(error_of, run_audit, packages, tmp_path):
    database = write_database(tmp_path / "db", entry(1, NET, "0.51.0", {HTTP2: []}), days_ago=100)
    assert f"is from {date(100)[:10]}, 100 days old" in error_of(database)
    assert run_audit(packages, "--database", database, "--max-age", 101)[0] == 0


def test_database_of_the_future_is_refused(error_of, tmp_path):
    database = write_database(tmp_path / "db", entry(1, NET, "0.51.0", {HTTP2: []}), days_ago=-10)
    assert "was changed in the future" in error_of(database)


def test_file_url_is_a_folder(run_audit, scanner, packages, database):
    log = scanner()
    assert run_audit(packages, "--database", database.as_uri())[0] == 0
    assert json.loads(log.read_text())[0]["-db"] == database.as_uri()
