"""--verbose, and the log file that a failure leaves in the output folder."""

from __future__ import annotations

import platform

import pytest

from kubeparcel import errors, journal
from kubeparcel.errors import ToolError
from kubeparcel.process import run

PRIVATE_KEY = "-----BEGIN PGP PRIVATE KEY BLOCK-----\nabc\n-----END PGP PRIVATE KEY BLOCK-----"


@pytest.fixture
def build_runs(replace_build):
    """Have every build run this command."""
    return lambda *argv: replace_build(lambda *_: run(argv))


def test_verbose_prints_commands_with_exit_code_and_duration(kubeparcel, build_runs):
    build_runs("sh", "-c", "true")
    code, out, err = kubeparcel("build", "--verbose")
    assert (code, out) == (0, "a table\n")
    assert err.startswith("$ sh -c true · exit 0 · 0.")
    assert kubeparcel("build")[2] == ""


def test_failure_leaves_a_log_file_that_the_error_names(kubeparcel, build_runs, workdir):
    build_runs("sh", "-c", "echo the reason; exit 4")
    code, _, err = kubeparcel("build")
    text = (workdir / "dist/kubeparcel.log").read_text()
    assert code == 3
    assert err.endswith("Log: dist/kubeparcel.log\n")
    assert "exit 4 · 0." in text
    assert "the reason" in text
    assert "ToolError" in text


def test_success_starts_no_program_to_describe_the_platform(kubeparcel, build_runs, monkeypatch):
    monkeypatch.setattr(platform, "platform", lambda: pytest.fail("platform.platform() starts uname"))
    build_runs("true")
    assert kubeparcel("build")[0] == 0


def test_success_leaves_no_log_file_and_removes_that_of_a_failure(kubeparcel, build_runs, workdir):
    (workdir / "dist").mkdir()
    (workdir / "dist/kubeparcel.log").write_text("old")
    build_runs("true")
    assert kubeparcel("build")[0] == 0
    assert not (workdir / "dist/kubeparcel.log").exists()


def test_wrong_usage_leaves_no_log_file(kubeparcel, fail_build, workdir):
    fail_build(errors.UsageError("Wrong."))
    assert kubeparcel("build") == (2, "", "Wrong.\n")
    assert not (workdir / "dist").exists()


def test_bug_leaves_a_log_file(kubeparcel, fail_build, workdir):
    fail_build(ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        kubeparcel("build")
    assert "a bug" in (workdir / "dist/kubeparcel.log").read_text()


def test_log_file_that_cannot_be_written_does_not_hide_the_error(kubeparcel, fail_build, workdir):
    (workdir / "dist").touch()
    fail_build(ToolError("It failed."))
    assert kubeparcel("build") == (3, "", "It failed.\n")


@pytest.mark.parametrize(
    "secret",
    [
        "https://user:hunter2secret@mirror.example.com/x",
        "https://s3.example.com/x?X-Amz-Signature=hunter2secret&a=b",
        "abcdef.0123456789abcdef",
        PRIVATE_KEY,
        "correct horse battery",
        "\x1b[2Jcleared",
    ],
)
def test_log_file_has_no_secrets_and_no_terminal_sequences(kubeparcel, build_runs, workdir, monkeypatch, secret):
    monkeypatch.setenv("KUBEPARCEL_KEY_PASSPHRASE", "correct horse battery")
    build_runs("sh", "-c", 'printf "%s" "$1"; exit 1', "sh", secret)
    assert kubeparcel("build")[0] == 3
    text = (workdir / "dist/kubeparcel.log").read_text()
    for word in ("hunter2secret", "0123456789abcdef", "\nabc\n", "correct horse battery", "\x1b"):
        assert word not in text
    assert "printf" in text


def test_log_file_stays_small(kubeparcel, fail_build, workdir):
    journal.start()
    for _ in range(3):
        journal.record("x" * 100_000)
    journal.keep_in(workdir)
    path = journal.finish("heading", "ending")
    assert path.stat().st_size < 4 * journal.MAX_ENTRY
