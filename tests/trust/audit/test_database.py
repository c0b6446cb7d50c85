"""A database that is damaged, old or of another kind is an error, never a result without findings."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.vulnerability_databases import date, entry, write_database, write_json
from tests.trust.audit.conftest import HTTP2, NET

Damage = Callable[[Path], object]

ENTRY = "ID/GO-2026-0001.json"


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
def test_damaged_copy(run_audit, scanner, packages, database, damage, message):
    scanner()
    damage(database)
    code, out, err = run_audit(packages, "--database", database)
    assert (code, out) == (3, "")
    assert re.search(message, err)
    assert "vulndb.zip" in err
    assert "Traceback" not in err


def test_missing_folder_and_archive(run_audit, scanner, packages, tmp_path):
    scanner()
    archive = tmp_path / "vulndb.zip"
    archive.write_bytes(b"PK\x03\x04")
    for path, hint in ((tmp_path / "missing", "Get a copy"), (archive, "unzip -d vulndb")):
        code, out, err = run_audit(packages, "--database", path)
        assert (code, out) == (3, "")
        assert f"No vulnerability database at {path}" in err
        assert hint in err


def test_address_of_another_kind(run_audit, scanner, packages):
    scanner()
    code, out, err = run_audit(packages, "--database", "ftp://example.org/db")
    assert (code, out) == (2, "")
    assert "Unsupported database ftp://example.org/db" in err


def test_old_database_is_refused_with_its_date(run_audit, scanner, packages, tmp_path):
    database = write_database(tmp_path / "db", entry(1, NET, "0.51.0", {HTTP2: []}), days_ago=100)
    scanner()
    code, out, err = run_audit(packages, "--database", database)
    assert (code, out) == (3, "")
    assert f"is from {date(100)[:10]}, 100 days old" in err
    assert run_audit(packages, "--database", database, "--max-age", 101)[0] == 0


def test_database_of_the_future_is_refused(run_audit, scanner, packages, tmp_path):
    database = write_database(tmp_path / "db", entry(1, NET, "0.51.0", {HTTP2: []}), days_ago=-10)
    scanner()
    code, out, err = run_audit(packages, "--database", database)
    assert (code, out) == (3, "")
    assert "was changed in the future" in err


def test_file_url_is_a_folder(run_audit, scanner, packages, database):
    log = scanner()
    assert run_audit(packages, "--database", database.as_uri())[0] == 0
    assert json.loads(log.read_text())[0]["-db"] == database.as_uri()
