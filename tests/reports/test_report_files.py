"""How a proof leaves the program: files, the line that names them, words for GitHub."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kubeparcel import cli
from kubeparcel.reports.report_files import ReportFiles, write_reports
from kubeparcel.reports.results import Check, Finding, Report
from kubeparcel.verify.levels import VerifyResult
from tests.conftest import RecordingLog
from tests.support.package_workshop import Workshop

GOOD = VerifyResult((Report("layout", (Check("modes", "a.deb"),), 0.8),))
BAD = VerifyResult(
    (Report("layout", (Check("modes", "a.deb", findings=(Finding("0755", "::debug::x"),)),), 0.8),)
)


@pytest.fixture(autouse=True)
def not_at_github(monkeypatch: pytest.MonkeyPatch):
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def broken(shop: Workshop, here: Path) -> Path:
    """A folder with one package that the layout level does not let pass."""
    package = shop.package("kubectl", "deb")
    shop.write(package, lambda draft: draft.info("/usr/bin/kubectl", mode=0o644), here / "dist")
    for file in (here / "dist").glob("source-*"):
        file.unlink()
    return here


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(["kubeparcel", *words])
    return int(ended.value.code or 0)


def test_the_layout_level_leaves_files_only_where_they_are_wanted(tmp_path: Path):
    files = ReportFiles.requested(tmp_path, "dist", "layout", "", "")
    assert (files.html, files.junit) == (None, None)
    files = ReportFiles.requested(tmp_path, "dist", "layout", "a/page.html", "/b.xml")
    assert (files.html, files.junit) == (tmp_path / "a/page.html", Path("/b.xml"))


def test_a_level_on_hosts_leaves_a_page_and_a_junit_file_in_the_output_folder(tmp_path: Path):
    files = ReportFiles.requested(tmp_path, "out", "install", "page.html", "")
    assert (files.html, files.junit) == (tmp_path / "page.html", tmp_path / "out/verify.xml")


def test_the_last_line_names_the_files_and_a_failure_s_exit_code(tmp_path: Path, log: RecordingLog):
    files = ReportFiles(tmp_path, tmp_path / "dist/verify.html", tmp_path / "dist/verify.xml")
    assert (
        write_reports(GOOD, files, log).summary_line
        == "report: dist/verify.html · dist/verify.xml (JUnit)"
    )
    said = write_reports(BAD, files, log).with_summary_line(BAD.as_text()).splitlines()
    assert said[-1] == ("report: dist/verify.html · dist/verify.xml (JUnit)                exit 1")
    assert said[-1].index("exit 1") == said[0].index("0.8 s")
    assert write_reports(GOOD, ReportFiles(tmp_path), log).with_summary_line("text") == "text"


def test_a_file_that_cannot_be_written_costs_neither_the_other_nor_the_result(
    tmp_path: Path, log: RecordingLog
):
    (tmp_path / "file").write_text("")
    left = write_reports(
        GOOD, ReportFiles(tmp_path, tmp_path / "file/page.html", tmp_path / "v.xml"), log
    )
    assert left.names == ("v.xml (JUnit)",)
    assert left.exit_code == 3
    assert "file" in log.warnings[0]
    assert (tmp_path / "v.xml").is_file()
    assert (
        write_reports(BAD, ReportFiles(tmp_path, tmp_path / "file/page.html"), log).exit_code == 1
    )


def test_a_report_may_go_to_standard_output(broken: Path):
    words = [sys.executable, "-m", "kubeparcel", "verify", "--junit", "/dev/stdout", "--quiet"]
    done = subprocess.run(words, cwd=broken, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("<?xml")
    assert done.returncode == 1


def test_verify_writes_the_page_and_says_where(broken: Path, capsys):
    assert run("verify", "--html", "page.html", "--quiet") == 1
    out, err = capsys.readouterr()
    assert out.splitlines()[-1].split() == ["report:", "page.html", "exit", "1"]
    assert err == ""
    assert "modes" in (broken / "page.html").read_text()


def test_with_json_standard_output_is_one_document_and_standard_error_says_where(broken, capsys):
    assert run("verify", "--html", "page.html", "--json") == 1
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["failed"] > 0
    assert document["packages"][0]["name"] == "kubectl"
    assert err == "Report     page.html\n"


def test_a_level_above_one_that_failed_is_listed_as_not_run(broken, capsys):
    assert run("verify", "--level", "install", "--quiet") == 1
    out = capsys.readouterr().out.splitlines()
    assert out[-2] == "  install  – not run: layout failed"
    assert out[-1].startswith("report: dist/verify.html · dist/verify.xml (JUnit)  ")
    assert "not run: layout failed" in (broken / "dist/verify.html").read_text()
    assert run("verify", "--level", "install", "--json", "--quiet") == 1
    levels = json.loads(capsys.readouterr().out)["levels"]
    assert [level["level"] for level in levels] == ["layout", "install"]
    assert levels[1]["not-run"] == "layout failed"


def test_clean_takes_the_reports_away_with_the_packages(broken, capsys):
    run("verify", "--level", "install", "--quiet")
    (broken / "dist/kubectl_1.36.3-1_amd64.deb").unlink()
    assert run("clean") == 0
    assert not (broken / "dist").exists()


def test_at_github_failures_are_annotated_and_summed_up(broken, capsys, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(broken / "summary.md"))
    (broken / "summary.md").write_text("of an earlier step\n")
    assert run("verify", "--json", "--quiet") == 1
    out, err = capsys.readouterr()
    assert json.loads(out)
    assert err.startswith("::error title=layout · dist/kubectl_1.36.3-1_amd64.deb · ")
    said = (broken / "summary.md").read_text()
    assert said.startswith("of an earlier step\n## kubeparcel verify")
    assert "❌" in said


def test_elsewhere_github_is_not_spoken_to(broken, capsys, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(broken / "summary.md"))
    assert run("verify", "--quiet") == 1
    out, err = capsys.readouterr()
    assert "::error" not in out + err
    assert not (broken / "summary.md").exists()


def test_at_github_no_package_can_give_commands(tmp_path: Path, log: RecordingLog, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    shown = write_reports(BAD, ReportFiles(tmp_path), log).with_summary_line(
        "found    a\n  ::debug::x"
    )
    assert shown == "found    a\n  : :debug::x"
