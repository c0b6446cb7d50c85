"""Running a task: exit codes, errors and results."""

from __future__ import annotations

import json
import pickle

import pytest

from kubeparcel import cli, errors
from kubeparcel.build import pipeline
from tests.cli.conftest import BuildOutcome

CODES = {
    "CheckFailed": 1,
    "UsageError": 2,
    "ConfigurationError": 2,
    "UnknownVersion": 2,
    "ExternalError": 3,
    "Unreachable": 3,
    "DownloadError": 3,
    "DigestError": 3,
    "ArchiveError": 3,
    "ToolError": 3,
    "DiskError": 3,
    "Busy": 3,
}


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_error_is_printed_to_standard_error_with_its_exit_code(kubeparcel, fail_build, name, code):
    fail_build(getattr(errors, name)("What happened.", "What to do.\nAnd then."))
    log = "" if code == 2 else "Log: dist/kubeparcel.log\n"
    assert kubeparcel("build") == (code, "", f"What happened.\n  What to do.\n  And then.\n{log}")


def test_error_is_a_json_document_with_the_json_option(kubeparcel, fail_build):
    fail_build(errors.DigestError("What happened.", "What to do."))
    code, out, err = kubeparcel("build", "--json")
    assert json.loads(out) == {"error": "What happened.", "hint": "What to do.", "exit": 3}
    assert (code, err) == (3, "Log: dist/kubeparcel.log\n")


def test_error_has_no_traceback_by_default(kubeparcel, fail_build):
    fail_build(errors.DiskError("The disk is full."))
    assert "Traceback" not in kubeparcel("build")[2]


@pytest.mark.parametrize("words", [("--debug", "build"), ("build", "--debug"), ("-d", "build")])
def test_debug_prints_the_traceback_before_the_message(kubeparcel, fail_build, words):
    fail_build(errors.DiskError("The disk is full."))
    code, _, err = kubeparcel(*words)
    assert code == 3
    assert err.startswith("Traceback (most recent call last):\n")
    assert err.endswith("\nThe disk is full.\nLog: dist/kubeparcel.log\n")


def test_os_error_is_a_disk_error_that_names_the_file(kubeparcel, fail_build):
    fail_build(OSError(28, "No space left on device", "/var/x"))
    assert kubeparcel("build") == (3, "", "/var/x: No space left on device.\nLog: dist/kubeparcel.log\n")


def test_bug_is_raised(workdir, fail_build):
    fail_build(ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        cli.main(["kubeparcel", "build"])


@pytest.mark.parametrize(
    "kind", [kind for kind in vars(errors).values() if isinstance(kind, type) and kind.__module__ == errors.__name__]
)
def test_error_can_be_pickled(kind):
    error = kind("What happened.", "What to do.")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy)) == (kind, "What happened.\n  What to do.")


@pytest.mark.parametrize("code", [0, 1])
def test_failed_check_gives_exit_code_1(kubeparcel, replace_build, code):
    replace_build(exit_code=code)
    assert kubeparcel("build") == (code, "a table\n", "Log: dist/kubeparcel.log\n" if code else "")


def test_build_prints_the_next_step_on_a_terminal(kubeparcel, replace_build, monkeypatch):
    replace_build()
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    _, out, _ = kubeparcel("build")
    assert out.splitlines()[1].startswith("Next: kubeparcel verify --level install")
    assert "Next" not in kubeparcel("build", "--json")[1]


def test_json_prints_only_one_document_to_standard_output(kubeparcel, replace_build):
    replace_build(lambda _, log: log.info("Release", "Kubernetes 1.36.3"))
    code, out, err = kubeparcel("build", "--json")
    assert (code, json.loads(out)) == (0, {"packages": []})
    assert err == "Release    Kubernetes 1.36.3\n"


def test_build_options_become_settings(kubeparcel, monkeypatch):
    received = {}

    def build(releases, _, *, locked):
        received.update(settings=releases.settings[0], locked=locked)
        return BuildOutcome()

    monkeypatch.setattr(pipeline, "build", build)
    words = "--kubernetes v1.36 --cri-tools 1.35.0 --cni 1.8.0 --arch amd64,s390x --format rpm"
    more = "--source go --layout official --revision 3 --compression small --out there --locked"
    assert kubeparcel("build", *words.split(), *more.split())[0] == 0
    settings = received["settings"]
    assert received["locked"] is True
    assert (settings.kubernetes, settings.cri_tools, settings.cni) == ("1.36", "1.35.0", "1.8.0")
    assert (settings.arch, settings.format) == (("amd64", "s390x"), ("rpm",))
    assert (settings.source, settings.layout, settings.revision) == ("go", "official", "3")
    assert (settings.compression, settings.out) == ("small", "there")


def test_quiet_prints_only_the_result(kubeparcel, replace_build):
    replace_build(lambda _, log: log.info("Release", "Kubernetes 1.36.3"))
    assert kubeparcel("build", "--quiet") == (0, "a table\n", "")


@pytest.mark.parametrize("words", ["verify --junit reports", "verify --html reports", "doctor nowhere --junit reports"])
def test_report_paths_are_tried_before_the_work(kubeparcel, workdir, words):
    (workdir / "reports").mkdir()
    code, out, err = kubeparcel(*words.split())
    assert (code, out) == (2, "")
    assert f"{workdir}/reports is a folder." in err
