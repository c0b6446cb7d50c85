"""Running a task: exit codes, errors, results, interruption."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kubeparcel import cli, errors
from kubeparcel.build import pipeline
from tests.conftest import TIMEOUT, wait_for_line, wait_until_gone

ROOT = Path(__file__).parents[2]

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


class Result:
    """The part of a build's result that the task uses."""

    changed = (Path("dist/deb/a.deb"),)

    def __init__(self, exit_code: int) -> None:
        self.exit_code = exit_code

    def as_text(self) -> str:
        return "a table"

    def as_json(self) -> str:
        return '{"packages": []}'


@pytest.mark.parametrize("code", [0, 1])
def test_failed_check_gives_exit_code_1(kubeparcel, monkeypatch, code):
    monkeypatch.setattr(pipeline, "build", lambda *_, **__: Result(code))
    assert kubeparcel("build") == (code, "a table\n", "Log: dist/kubeparcel.log\n" if code else "")


def test_build_prints_the_next_step_on_a_terminal(kubeparcel, monkeypatch):
    monkeypatch.setattr(pipeline, "build", lambda *_, **__: Result(0))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    _, out, _ = kubeparcel("build")
    assert out.splitlines()[1].startswith("Next: kubeparcel verify --level install")
    assert "Next" not in kubeparcel("build", "--json")[1]


def test_json_prints_only_one_document_to_standard_output(kubeparcel, monkeypatch):
    def build(_: object, log: Any, *, locked: bool) -> Result:
        log.info("Release", "Kubernetes 1.36.3")
        return Result(0)

    monkeypatch.setattr(pipeline, "build", build)
    code, out, err = kubeparcel("build", "--json")
    assert (code, json.loads(out)) == (0, {"packages": []})
    assert err == "Release    Kubernetes 1.36.3\n"


def test_build_options_become_settings(kubeparcel, monkeypatch):
    received: dict[str, Any] = {}

    def build(releases: Any, _: object, *, locked: bool) -> Result:
        received.update(settings=releases.settings[0], locked=locked)
        return Result(0)

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


def test_quiet_prints_only_the_result(kubeparcel, monkeypatch):
    def build(_: object, log: Any, *, locked: bool) -> Result:
        log.info("Release", "Kubernetes 1.36.3")
        return Result(0)

    monkeypatch.setattr(pipeline, "build", build)
    assert kubeparcel("build", "--quiet") == (0, "a table\n", "")


def test_interrupted_task_says_how_to_continue(kubeparcel, fail_build):
    fail_build(KeyboardInterrupt())
    code, out, err = kubeparcel("build")
    assert (code, out) == (130, "")
    assert "No partial files were left; run the command again to continue." in err


SLOW_BUILD = """
import time
from kubeparcel import cli
from kubeparcel.build import pipeline
def slow(*_, **__):
    print("started", flush=True)
    while True:  # a signal just before a sleep is handled after it
        time.sleep(0.05)
pipeline.build = slow
cli.main(["kubeparcel", "build"])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_program_with_130(workdir, number):
    with subprocess.Popen(
        [sys.executable, "-c", SLOW_BUILD],
        env={**os.environ, "PYTHONPATH": str(ROOT / "packaging")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "started\n"
        process.send_signal(number)
        _, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130
    assert "Traceback" not in err


BUILD_IN_THREADS = """
import sys
from concurrent.futures import ThreadPoolExecutor
from kubeparcel import cli
from kubeparcel.build import pipeline
from kubeparcel.process import run
def work(*_, **__):
    command = "sleep 300 & echo $$ $!; exec >&-; wait"
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda _: run(["sh", "-c", f"{{ {command}; }} > {sys.argv[1]}"]), range(1)))
pipeline.build = work
cli.main(["kubeparcel", "build"])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_kills_processes_that_other_threads_run(workdir, number):
    with subprocess.Popen(
        [sys.executable, "-c", BUILD_IN_THREADS, workdir / "pids"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "packaging")},
        stderr=subprocess.PIPE,
    ) as process:
        pids = [int(word) for word in wait_for_line(workdir / "pids").split()]
        process.send_signal(number)
        process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130
    assert [wait_until_gone(pid) for pid in pids] == [True, True]


def test_closed_pipe_is_not_an_error(workdir):
    """`kubeparcel config --schema | head -1`."""
    with subprocess.Popen(
        [sys.executable, "-m", "kubeparcel", "config", "--schema"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "packaging")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout
        process.stdout.close()
        assert process.stderr
        err = process.stderr.read()
        assert (process.wait(TIMEOUT), err) == (0, b"")


def run_program(*words: str, **streams: Any) -> subprocess.CompletedProcess[bytes]:
    """Run the program in another process; `streams` are arguments of subprocess.run."""
    env = {**os.environ, "PYTHONPATH": str(ROOT / "packaging"), **streams.pop("env", {})}
    return subprocess.run([sys.executable, "-m", "kubeparcel", *words], env=env, check=False, **streams)


@pytest.mark.parametrize(
    "words", [["config"], ["config", "--json"], ["--list"], ["build", "--help"], ["build", "x", "--json"]]
)
def test_full_standard_output_is_an_error_without_a_traceback(workdir, words):
    with Path("/dev/full").open("wb") as full:
        result = run_program(*words, stdout=full, stderr=subprocess.PIPE)
    assert result.returncode in (2, 3)
    assert b"Traceback" not in result.stderr
    assert b"Standard output: No space left on device." in result.stderr or b"Invalid version" in result.stderr


@pytest.mark.parametrize(("words", "code"), [(["config"], 0), (["nothing"], 2), (["verify", "nothing"], 2)])
def test_full_standard_error_changes_nothing(workdir, words, code):
    with Path("/dev/full").open("wb") as full:
        result = run_program(*words, stderr=full, stdout=subprocess.PIPE)
    assert result.returncode == code
    assert bool(result.stdout) == (code == 0)


@pytest.mark.parametrize("closing", [">&-", "2>&-", ">&- 2>&-", "<&-"])
@pytest.mark.parametrize(("words", "code"), [("config", 0), ("nothing", 2), ("hosts --engine x", 2)])
def test_closed_streams_are_no_bug(workdir, closing, words, code):
    command = f'"{sys.executable}" -m kubeparcel {words} {closing}'
    result = subprocess.run(
        ["/bin/sh", "-c", command],
        env={**os.environ, "PYTHONPATH": str(ROOT / "packaging")},
        capture_output=True,
        check=False,
    )
    assert result.returncode == code
    assert b"Traceback" not in result.stderr


def test_exit_code_survives_a_closed_pipe(workdir):
    """`kubeparcel verify | head -1` under pipefail."""
    command = f'set -o pipefail; "{sys.executable}" -m kubeparcel build x --json | true'
    env = {**os.environ, "PYTHONPATH": str(ROOT / "packaging")}
    result = subprocess.run(["bash", "-c", command], env=env, capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (2, b"")


def test_characters_that_the_encoding_lacks_are_replaced(workdir):
    result = run_program("build", "\udcff·", env={"PYTHONIOENCODING": "ascii"}, capture_output=True)
    assert result.returncode == 2
    assert b"Traceback" not in result.stderr


def test_current_folder_that_was_removed_is_named(workdir):
    folder = workdir / "folder"
    folder.mkdir()
    command = f'rmdir "$PWD"; exec "{sys.executable}" -m kubeparcel config'
    env = {**os.environ, "PYTHONPATH": str(ROOT / "packaging")}
    result = subprocess.run(["/bin/sh", "-c", command], cwd=folder, env=env, capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (3, b"The current folder: No such file or directory.\n")


@pytest.mark.parametrize("program", [["-m", "kubeparcel"], [str(ROOT / "tasks.py")]], ids=["kubeparcel", "inv"])
def test_interruption_while_the_program_is_imported_prints_no_traceback(workdir, program):
    (workdir / "click").mkdir()
    slow = "import time\nprint('importing', flush=True)\nwhile True:\n    time.sleep(0.05)\n"
    (workdir / "click/__init__.py").write_text(slow)
    with subprocess.Popen(
        [sys.executable, *program, "--list"],
        env={**os.environ, "PYTHONPATH": f"{workdir}:{ROOT / 'packaging'}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, err) == (-signal.SIGINT, "")


@pytest.mark.parametrize("words", ["verify --junit reports", "verify --html reports", "doctor nowhere --junit reports"])
def test_report_paths_are_tried_before_the_work(kubeparcel, workdir, words):
    (workdir / "reports").mkdir()
    code, out, err = kubeparcel(*words.split())
    assert (code, out) == (2, "")
    assert f"{workdir}/reports is a folder." in err
