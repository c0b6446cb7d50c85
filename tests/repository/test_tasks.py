"""The repository tasks on the command line: options, output and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from kubeparcel import paths
from kubeparcel.repository.storage.folder import FolderStorage
from tests.repository.conftest import run_json
from tests.support import client_view
from tests.support.package_builders import deb
from tests.support.task_runs import failure


def versions(document: dict[str, Any], suite: str, kind: str) -> list[str]:
    return [row["version"] for row in document["suites"][suite][kind]]


def test_dry_run_lists_the_same_changes_as_the_real_run(run, destination):
    steps = (
        (("publish", "--suite", "testing"), "testing", "added", ["1.0-1", "1.1-1", "1.2-1"]),
        (("copy", "own=1.2-1", "--suite", "testing", "--into", "good"), "good", "added", ["1.2-1"]),
        (("remove", "own=1.2-1", "--suite", "testing"), "testing", "removed", ["1.2-1"]),
        (("retain", "--keep", "1", "--yes"), "testing", "removed", []),
        (("rollback",), "testing", "added", ["1.2-1"]),
    )
    for words, suite, kind, expected in steps:
        before = client_view.read_files(destination) if destination.exists() else None
        plan = run_json(run, *words, "--to", "repo", "--dry-run")
        assert (client_view.read_files(destination) if destination.exists() else None) == before
        completed = run_json(run, *words, "--to", "repo")
        assert plan["suites"] == completed["suites"]
        assert (plan["dry-run"], plan["signed"]) == (True, False)
        assert completed["signed"] is bool(completed["suites"])
        if expected:
            assert versions(completed, suite, kind) == expected
    assert set(client_view.read_repository(destination)) == {"apt good", "apt testing"}


def test_options_are_stored_in_the_repository(run, destination):
    terms = ("--metadata", "gzip", "--valid", 0, "--generations", 2)
    run_json(run, "publish", "--to", "repo", "--address", "https://here.example.invalid/k", *terms)
    deb(destination.parent / "dist", "own", "1.3-1")
    run_json(run, "publish", "--to", "repo")
    output = json.loads((destination / ".kubeparcel/state.json").read_text())["terms"]
    assert (output["metadata"], output["valid"], output["generations"]) == ("gzip", 0, 2)
    assert "Valid-Until" not in (destination / "apt/dists/stable/Release").read_text()
    assert "URIs: https://here.example.invalid/k/apt" in (destination / "stable.sources").read_text()


def test_wait_0_fails_at_once_if_the_repository_is_locked(run, destination):
    run_json(run, "publish", "--to", "repo")
    with FolderStorage(destination).lease(0):
        error = failure(run, "retain", "--to", "repo", "--keep", 1, "--wait", 0, code=3)
    assert "is locked by another publisher" in error
    assert "--wait SECONDS" in error


def test_publish_without_address_warns_about_local_client_files(run, destination):
    assert "Client files point to a local folder" in run("publish", "--to", "repo")[1]
    _, output, _ = run("publish", "--to", "repo", "--address", "https://here.example.invalid/k")
    assert "local folder" not in output
    assert "https://here.example.invalid/k/apt" in (destination / "stable.sources").read_text()


@pytest.mark.parametrize(
    ("option", "url"),
    [("--to", "s3://user:pa/ss@bucket/x"), ("--to", "ftp://user:pa#ss@h/"), ("--address", "https://user:pa?ss@h/x")],
)
def test_passwords_in_urls_are_not_printed(run, destination, option, url):
    code, *output = run("publish", *(("--to", "repo") if option == "--address" else ()), option, url)
    assert code == 2
    assert "pa" not in "".join(output).partition("\n")[0].replace("was given", "")
    assert "ss@" not in "".join(output)


@pytest.mark.parametrize("address", ["packages.example.com/k", "https://a b", "https://a/'$(x)"])
def test_address_that_is_not_a_url_is_rejected(run, destination, address):
    assert "use the URL that clients see" in failure(run, "publish", "--to", "repo", "--address", address)
    assert not destination.exists()


HEAVY = ("invoke", "asyncio", "ssl", "pydantic", "requests", "importlib.metadata", "elftools")
"""Settings, asyncio and TLS take longer than a publish with nothing to do, pydantic a fifth of adding a package."""


@pytest.mark.parametrize(
    ("code", "lighter"),
    [
        ("import kubeparcel.cli, kubeparcel.repository.publisher", ("jinja2", "yaml")),
        ("import contextlib, kubeparcel.cli as c\nwith contextlib.suppress(SystemExit): c.main()", ()),
    ],
    ids=["import", "publish"],
)
def test_publishing_does_not_load_heavy_libraries(destination, key, code, lighter):
    report = f"{code}\nimport sys\nprint([name for name in {HEAVY + lighter} if name in sys.modules], file=sys.stderr)"
    environment = {**os.environ, "PYTHONPATH": str(paths.PACKAGE.parent), "KUBEPARCEL_CONFIG": str(key)}
    words = [sys.executable, "-c", report, "publish", "--from", destination.with_name("dist"), "--to", destination]
    completed = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert completed.stderr.splitlines()[-1] == "[]"
    assert destination.exists() == (not lighter)
