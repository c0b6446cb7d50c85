"""Report files, the summary line, and output for GitHub Actions, through `inv verify`."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kubeparcel.errors import DiskError, UsageError
from kubeparcel.reports.output import ReportFiles, WrittenReports, as_text, write_reports
from kubeparcel.reports.results import Check, Finding, Report
from tests.support.recording_log import RecordingLog
from tests.support.sample_packages import SamplePackages
from tests.support.task_runs import exit_code

PASSED = Report("layout", (Check("modes", "a.deb"),), 0.8)
FAILED = Report("layout", (Check("modes", "a.deb", findings=(Finding("0755", "::debug::x"),)),), 0.8)


def write(report: Report, files: ReportFiles, log: RecordingLog) -> WrittenReports:
    return write_reports([report], datetime.now(UTC), files, log)


@pytest.fixture(autouse=True)
def outside_github(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def broken(samples: SamplePackages, workdir: Path) -> Path:
    """Return a folder with a package that fails the layout level."""
    package = samples.manifest("kubectl", "deb")
    samples.write(package, lambda draft: draft.set_info("/usr/bin/kubectl", mode=0o644), workdir / "dist")
    for file in (workdir / "dist").glob("source-*"):
        file.unlink()
    return workdir


def test_layout_level_writes_only_requested_files(tmp_path):
    files = ReportFiles.requested(tmp_path, "dist", False, "", "")
    assert (files.html, files.junit) == (None, None)
    files = ReportFiles.requested(tmp_path, "dist", False, "a/page.html", "/b.xml")
    assert (files.html, files.junit) == (tmp_path / "a/page.html", Path("/b.xml"))


def test_levels_on_hosts_write_html_and_junit_to_the_output_folder(tmp_path):
    files = ReportFiles.requested(tmp_path, "out", True, "page.html", "")
    assert (files.html, files.junit) == (tmp_path / "page.html", tmp_path / "out/verify.xml")


def test_summary_line_names_the_files_and_the_exit_code(tmp_path, log):
    files = ReportFiles(tmp_path, tmp_path / "dist/verify.html", tmp_path / "dist/verify.xml")
    assert write(PASSED, files, log).summary_line == "report: dist/verify.html · dist/verify.xml (JUnit)"
    lines = write(FAILED, files, log).with_summary_line(as_text([FAILED])).splitlines()
    assert lines[-1] == "report: dist/verify.html · dist/verify.xml (JUnit)                exit 1"
    assert lines[-1].index("exit 1") == lines[0].index("0.8 s")
    assert write(PASSED, ReportFiles(tmp_path), log).with_summary_line("text") == "text"


def test_report_files_name_the_program_as_it_was_started(tmp_path, log, monkeypatch):
    monkeypatch.setattr("sys.argv", ["tasks.py"])
    finding = Finding("0755", "0644", hint="inv verify --keep")
    report = Report("layout", (Check("modes", "a.deb", findings=(finding,)),), 0.8)
    files = ReportFiles(tmp_path, tmp_path / "a.html", tmp_path / "a.xml")
    write(report, files, log)
    for path in (files.html, files.junit):
        assert "./inv verify --keep" in path.read_text()


def test_unwritable_file_is_a_warning_and_other_files_are_written(tmp_path, log):
    (tmp_path / "file").write_text("")
    written = write(PASSED, ReportFiles(tmp_path, tmp_path / "file/page.html", tmp_path / "v.xml"), log)
    assert written.names == ("v.xml (JUnit)",)
    assert written.exit_code == 3
    assert "file" in log.warnings[0]
    assert (tmp_path / "v.xml").is_file()
    assert write(FAILED, ReportFiles(tmp_path, tmp_path / "file/page.html"), log).exit_code == 1


def test_junit_report_can_be_written_to_standard_output(broken):
    argv = [sys.executable, "-m", "kubeparcel", "verify", "--junit", "/dev/stdout", "--quiet"]
    result = subprocess.run(argv, cwd=broken, capture_output=True, text=True, check=False)
    assert result.stdout.startswith("<?xml")
    assert result.returncode == 1


def test_verify_writes_the_html_report_and_names_it(broken, capsys):
    assert exit_code("verify", "--html", "page.html", "--quiet") == 1
    out, err = capsys.readouterr()
    assert out.splitlines()[-1].split() == ["report:", "page.html", "exit", "1"]
    assert err == "Log: dist/kubeparcel.log\n"
    assert "modes" in (broken / "page.html").read_text()


def test_json_output_is_one_document_and_files_are_named_on_stderr(broken, capsys):
    assert exit_code("verify", "--html", "page.html", "--json") == 1
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["failed"] > 0
    assert document["packages"][0]["name"] == "kubectl"
    assert err == "Report     page.html\nLog: dist/kubeparcel.log\n"


def test_level_after_a_failed_level_is_listed_as_not_run(broken, capsys):
    assert exit_code("verify", "--level", "install", "--quiet") == 1
    out = capsys.readouterr().out.splitlines()
    assert out[-2] == "  install  – not run: layout failed"
    assert out[-1].startswith("report: dist/verify.html · dist/verify.xml (JUnit)  ")
    assert "not run: layout failed" in (broken / "dist/verify.html").read_text()
    assert exit_code("verify", "--level", "install", "--json", "--quiet") == 1
    levels = json.loads(capsys.readouterr().out)["levels"]
    assert [level["level"] for level in levels] == ["layout", "install"]
    assert levels[1]["not-run"] == "layout failed"


def test_clean_removes_the_reports(broken, capsys):
    exit_code("verify", "--level", "install", "--quiet")
    (broken / "dist/kubectl_1.36.3-1_amd64.deb").unlink()
    assert exit_code("clean") == 0
    assert not (broken / "dist").exists()


def test_github_run_gets_annotations_and_a_summary(broken, capsys, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(broken / "summary.md"))
    (broken / "summary.md").write_text("of an earlier step\n")
    assert exit_code("verify", "--json", "--quiet") == 1
    out, err = capsys.readouterr()
    assert json.loads(out)
    assert err.startswith("::error title=layout · dist/kubectl_1.36.3-1_amd64.deb · ")
    summary = (broken / "summary.md").read_text()
    assert summary.startswith("of an earlier step\n## kubeparcel verify")
    assert "❌" in summary


def test_run_outside_github_has_no_annotations_or_summary(broken, capsys, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(broken / "summary.md"))
    assert exit_code("verify", "--quiet") == 1
    out, err = capsys.readouterr()
    assert "::error" not in out + err
    assert not (broken / "summary.md").exists()


def test_github_run_escapes_workflow_commands(tmp_path, log, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    shown = write(FAILED, ReportFiles(tmp_path), log).with_summary_line("found    a\n  ::debug::x")
    assert shown == "found    a\n  : :debug::x"


@pytest.mark.parametrize("option", ["html", "junit"])
def test_report_path_that_is_a_folder_is_rejected_before_the_work(tmp_path, option):
    (tmp_path / "reports").mkdir()
    files = ReportFiles(tmp_path, **{option: tmp_path / "reports"})
    with pytest.raises(UsageError, match=rf"--{option} .*/reports is a folder\."):
        files.require_writable()


def test_report_path_that_cannot_be_created_is_rejected_before_the_work(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DiskError, match=r"--junit .*/file/v\.xml: Not a directory\."):
        ReportFiles(tmp_path, junit=tmp_path / "file/v.xml").require_writable()


def test_two_reports_need_two_files(tmp_path):
    with pytest.raises(UsageError, match=r"--html and --junit are the same file: v\."):
        ReportFiles(tmp_path, tmp_path / "v", tmp_path / "v").require_writable()


def test_trying_report_paths_creates_nothing(tmp_path):
    ReportFiles(tmp_path, tmp_path / "a/page.html", tmp_path / "v.xml").require_writable()
    ReportFiles(tmp_path, junit=Path("/dev/stdout")).require_writable()
    assert list(tmp_path.iterdir()) == []
