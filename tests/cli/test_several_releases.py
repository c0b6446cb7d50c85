"""Tasks with several releases, as users run them."""

from __future__ import annotations

import json

import pytest

from kubeparcel.build.lock import lockfile
from kubeparcel.build.workers.check_unit import CheckUnit
from kubeparcel.reports.results import Check
from tests.build.test_fleet import Fleet

BUILD = ("build", "--format", "deb", "--compression", "fast", "--kubernetes")


@pytest.fixture(autouse=True)
def published(fake_sources, monkeypatch) -> None:
    fake_sources(Fleet())
    monkeypatch.setattr(CheckUnit, "run", lambda *_: (Check("x", "x"),))


def test_table_and_exit_code_name_the_release_that_failed(kubeparcel, workdir):
    code, out, err = kubeparcel(*BUILD, "1.35,1.99,1.36")
    assert code == 2
    assert "1.99: Kubernetes 1.99 is not published." in out
    assert "dist · 2 releases · 10 packages · 1 failed" in out
    assert "Finished   1.36.3: 5 packages" in err
    code, out, _ = kubeparcel(*BUILD, "1.35,1.36", "--json")
    assert code == 0
    assert [release["result"] for release in json.loads(out)["releases"]] == ["up to date", "up to date"]


def test_dry_run_fetch_and_resolve_cover_all_releases(kubeparcel, workdir):
    code, out, _ = kubeparcel(*BUILD, "1.35,1.36", "--dry-run", "--json")
    assert (code, len(json.loads(out)["releases"])) == (0, 2)
    assert not (workdir / lockfile.NAME).exists()
    code, out, _ = kubeparcel("fetch", "--kubernetes", "1.35,1.99,1.36", "--json", "--quiet")
    assert (code, len(json.loads(out)["releases"])) == (2, 2)
    code, out, _ = kubeparcel("resolve", "--check", "--json")
    assert (code, [release["differences"] for release in json.loads(out)["releases"]]) == (0, [[], []])
    assert kubeparcel("fetch", "--kubernetes", "1.99,1.98")[0] == 2


def test_plan_prints_one_line_for_a_matrix(kubeparcel, workdir):
    code, out, err = kubeparcel("plan", "--kubernetes", "1.35,1.36", "--arch", "amd64,arm64", "--matrix", "github")
    assert (code, err, len(json.loads(out)["include"]), len(out.splitlines())) == (0, "", 4, 1)


def test_empty_version_in_a_list_is_an_error(kubeparcel):
    code, _, err = kubeparcel(*BUILD, "1.34,")
    assert (code, err.splitlines()[0]) == (2, "Empty value in --kubernetes '1.34,'.")


def test_verify_names_the_releases_that_there_are(kubeparcel, workdir):
    kubeparcel(*BUILD, "1.35,1.36")
    code, _, err = kubeparcel("verify", "--kubernetes", "1.34")
    assert (code, err.splitlines()[1].strip()) == (2, "Available: 1.35.4, 1.36.3.")
