"""The command line: words become tasks, errors become text and exit codes."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kubeparcel import __version__, cli, errors
from kubeparcel.build import builder as work
from kubeparcel.cli.program import spread
from tests.conftest import TIMEOUT, wait_for_line, wait_until_gone

ROOT = Path(__file__).parents[2]
TASKS = ["build", "clean", "config", "fetch", "mirror", "resolve", "verify", "versions"]
BUILD_OPTIONS = [
    *["--kubernetes", "--cri-tools", "--cni", "--arch", "--format", "--source", "--mirror"],
    *["--layout", "--revision", "--compression", "--out", "--locked", "--dry-run", "--json"],
    "--quiet",
]


@pytest.fixture
def kubeparcel(here, capsys) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Run the program in this process: exit code, standard output, standard error."""
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            cli.main(["kubeparcel", *words])
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    yield run
    for one, handler in before.items():
        signal.signal(one, handler)
    os.environ.pop("KUBEPARCEL_DEBUG", None)


@pytest.fixture
def build(monkeypatch) -> Callable[[BaseException], None]:
    """Have every build fail with this error."""

    def fail_with(error: BaseException) -> None:
        def fail(*_: Any, **__: Any) -> None:
            raise error

        monkeypatch.setattr(work, "build", fail)

    return fail_with


# --- Words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("verify a.deb b.rpm", "verify --path a.deb --path b.rpm"),
        ("verify", "verify"),
        ("verify --json a.deb", "verify --json --path a.deb"),
        ("verify a.deb --json", "verify --path a.deb --json"),
        ("verify --junit report.xml a.deb", "verify --junit report.xml --path a.deb"),
        ("verify --junit=report.xml a.deb", "verify --junit=report.xml --path a.deb"),
        ("verify --path a.deb b.deb", "verify --path a.deb --path b.deb"),
        ("verify --level layout build", "verify --level layout --path build"),
        ("--debug verify a.deb", "--debug verify --path a.deb"),
        ("verify a.deb --junit", "verify --path a.deb --junit"),
        ("build --kubernetes 1.36 dist", "build --kubernetes 1.36 dist"),
        ("--help verify", "--help verify"),
        ("nothing a.deb", "nothing a.deb"),
        ("", ""),
    ],
)
def test_words_without_a_dash_are_paths_where_a_task_takes_them(written, read):
    words = ["kubeparcel", *written.split()]
    assert spread(words, cli.namespace()) == ["kubeparcel", *read.split()]


# --- Help ----------------------------------------------------------------------------------------


def test_the_list_has_every_task_with_what_it_does(kubeparcel):
    code, out, _ = kubeparcel("--list")
    assert code == 0
    for task in TASKS:
        (line,) = [line for line in out.splitlines() if line.split()[:1] == [task]]
        assert len(line.split()) > 3


def test_without_a_word_the_help_is_shown(kubeparcel):
    code, out, _ = kubeparcel()
    assert code == 0
    assert "Usage: kubeparcel" in out


@pytest.mark.parametrize("words", [("build", "--help"), ("--help", "build")])
def test_the_help_of_build_explains_each_option(kubeparcel, words):
    code, out, _ = kubeparcel(*words)
    assert code == 0
    for option in BUILD_OPTIONS:
        (line,) = [line for line in out.splitlines() if line.strip().startswith(option)]
        assert len(line.split()) > 2


@pytest.mark.parametrize("task", TASKS)
def test_every_task_explains_itself_and_each_of_its_options(kubeparcel, task):
    code, out, _ = kubeparcel(task, "--help")
    assert code == 0
    assert "none" not in out.lower().split()
    options = [line for line in out.splitlines() if line.strip().startswith("--")]
    assert options
    assert all(len(line.split()) > 1 for line in options)


def test_the_help_of_a_task_can_be_asked_for_twice(kubeparcel):
    assert kubeparcel("build", "--help")[1] == kubeparcel("build", "--help")[1]


def test_the_version_is_said(kubeparcel):
    assert kubeparcel("--version") == (0, f"kubeparcel {__version__}\n", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_can_be_had_for_each_shell(kubeparcel, shell):
    code, out, _ = kubeparcel("--print-completion-script", shell)
    assert code == 0
    assert "--complete" in out


# --- Wrong words ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("biuld", "There is no 'biuld'.\n  Did you mean build?"),
        ("build --kubernets 1.36", "There is no '--kubernets'.\n  Did you mean --kubernetes?"),
        ("build --lock", "There is no '--lock'.\n  Did you mean --locked?"),
        ("build dist", "There is no 'dist'."),
        ("build --kubernetes", "--kubernetes needs a value."),
        ("build --cri-tools", "--cri-tools needs a value."),
        ("--list --list-depth x", "--list-depth needs a number."),
        ("--list --list-format x", "--list-format is one of flat, nested, json."),
        ("--list nothing", "Sub-collection 'nothing' not found!"),
        ("--help nothing", "There is no 'nothing'."),
        ("--no-such-option", "There is no '--no-such-option'."),
    ],
)
def test_words_that_mean_nothing_are_wrong_usage_and_the_nearest_right_one_is_named(
    kubeparcel, words, said
):
    code, out, err = kubeparcel(*words.split())
    assert (code, out) == (2, "")
    assert err.startswith(said)
    assert "Options and their meaning: kubeparcel --help TASK" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("build --arch x86", "--arch: this has to be 'amd64', 'arm64', 'ppc64le' or 's390x'"),
        ("build --kubernetes 1.x", "--kubernetes: Invalid version '1.x'."),
        ("verify --level planet", "--level planet: "),
        ("mirror", "kubeparcel mirror needs --to DIR"),
    ],
)
def test_a_wrong_value_is_wrong_usage_and_its_option_is_named(kubeparcel, words, said):
    code, out, err = kubeparcel(*words.split())
    assert (code, out) == (2, "")
    assert err.startswith(said)


def test_a_wrong_file_is_wrong_configuration(kubeparcel, here):
    (here / "kubeparcel.yaml").write_text("layut: etc\n")
    code, _, err = kubeparcel("config")
    assert code == 2
    assert err.startswith("kubeparcel.yaml:1: layut is not a setting.")


# --- Errors --------------------------------------------------------------------------------------

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
def test_an_error_is_told_on_standard_error_and_gives_its_exit_code(kubeparcel, build, name, code):
    build(getattr(errors, name)("What happened.", "What to do.\nAnd then."))
    assert kubeparcel("build") == (code, "", "What happened.\n  What to do.\n  And then.\n")


def test_with_json_an_error_is_a_document_on_standard_output(kubeparcel, build):
    build(errors.DigestError("What happened.", "What to do."))
    code, out, err = kubeparcel("build", "--json")
    assert json.loads(out) == {"error": "What happened.", "todo": "What to do.", "exit": 3}
    assert (code, err) == (3, "")


def test_with_json_wrong_usage_is_a_document_too(kubeparcel):
    code, out, err = kubeparcel("build", "--json", "--kubernets", "1.36")
    document = json.loads(out)
    assert (code, document["exit"], err) == (2, 2, "")
    assert document["error"] == "There is no '--kubernets'."


def test_an_error_has_no_traceback_unless_asked_for(kubeparcel, build):
    build(errors.DiskError("The disk is full."))
    assert "Traceback" not in kubeparcel("build")[2]


@pytest.mark.parametrize("words", [("--debug", "build"), ("build", "--debug"), ("-d", "build")])
def test_with_debug_the_traceback_comes_first_and_then_the_message(kubeparcel, build, words):
    build(errors.DiskError("The disk is full."))
    code, _, err = kubeparcel(*words)
    assert code == 3
    assert err.startswith("Traceback (most recent call last):\n")
    assert err.endswith("\nThe disk is full.\n")


def test_what_the_disk_refuses_is_an_error_from_outside_naming_the_file(kubeparcel, build):
    build(OSError(28, "No space left on device", "/var/x"))
    assert kubeparcel("build") == (3, "", "/var/x: No space left on device.\n")


def test_an_error_of_our_own_making_is_not_hidden(here, build):
    build(ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        cli.main(["kubeparcel", "build"])


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and kind.__module__ == errors.__name__
    ],
)
def test_an_error_survives_the_way_from_another_process(kind):
    error = kind("What happened.", "What to do.")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (kind, "What happened.\n  What to do.")


# --- Ends ----------------------------------------------------------------------------------------


class Result:
    """What a build gives back, as far as the task looks at it."""

    changed = (Path("dist/deb/a.deb"),)

    def __init__(self, exit_code: int) -> None:
        self.exit_code = exit_code

    def as_text(self) -> str:
        return "a table"

    def as_json(self) -> str:
        return '{"packages": []}'


@pytest.mark.parametrize("code", [0, 1])
def test_a_failed_check_is_exit_code_1(kubeparcel, monkeypatch, code):
    monkeypatch.setattr(work, "build", lambda *_, **__: Result(code))
    assert kubeparcel("build") == (code, "a table\n", "")


def test_people_at_a_terminal_are_told_what_comes_next(kubeparcel, monkeypatch):
    monkeypatch.setattr(work, "build", lambda *_, **__: Result(0))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    _, out, _ = kubeparcel("build")
    assert out.splitlines()[1].startswith("Next: kubeparcel verify --level install")
    assert "Next" not in kubeparcel("build", "--json")[1]


def test_with_json_standard_output_holds_one_document_and_nothing_else(kubeparcel, monkeypatch):
    def built(_: object, log: Any, *, locked: bool) -> Result:
        log.info("Release", "Kubernetes 1.36.3")
        return Result(0)

    monkeypatch.setattr(work, "build", built)
    code, out, err = kubeparcel("build", "--json")
    assert (code, json.loads(out)) == (0, {"packages": []})
    assert err == "Release    Kubernetes 1.36.3\n"


def test_options_reach_the_settings_and_the_work(kubeparcel, monkeypatch):
    seen: dict[str, Any] = {}

    def built(settings: Any, _: object, *, locked: bool) -> Result:
        seen.update(settings=settings, locked=locked)
        return Result(0)

    monkeypatch.setattr(work, "build", built)
    words = "--kubernetes v1.36 --cri-tools 1.35.0 --cni 1.8.0 --arch amd64,s390x --format rpm"
    more = "--source go --layout official --revision 3 --compression small --out there --locked"
    assert kubeparcel("build", *words.split(), *more.split())[0] == 0
    settings = seen["settings"]
    assert seen["locked"] is True
    assert (settings.kubernetes, settings.cri_tools, settings.cni) == ("1.36", "1.35.0", "1.8.0")
    assert (settings.arch, settings.format) == (("amd64", "s390x"), ("rpm",))
    assert (settings.source, settings.layout, settings.revision) == ("go", "official", "3")
    assert (settings.compression, settings.out) == ("small", "there")


def test_quiet_says_nothing_but_the_result(kubeparcel, monkeypatch):
    def built(_: object, log: Any, *, locked: bool) -> Result:
        log.info("Release", "Kubernetes 1.36.3")
        return Result(0)

    monkeypatch.setattr(work, "build", built)
    assert kubeparcel("build", "--quiet") == (0, "a table\n", "")


def test_the_settings_are_shown_for_people_and_for_programs(kubeparcel, here):
    (here / "kubeparcel.yaml").write_text("layout: official\n")
    code, out, _ = kubeparcel("config")
    assert code == 0
    assert "layout: official\n" in out
    code, out, _ = kubeparcel("config", "--json")
    assert (code, json.loads(out)["layout"]) == (0, "official")


def test_the_settings_that_are_shown_are_settings(kubeparcel, here):
    (here / "kubeparcel.yaml").write_text("layout: official\nrevision: 2\n")
    shown = kubeparcel("config")[1]
    (here / "kubeparcel.yaml").write_text(shown)
    assert kubeparcel("config") == (0, shown, "")


def test_the_schema_is_a_document(kubeparcel):
    code, out, _ = kubeparcel("config", "--schema")
    assert code == 0
    assert "cri-tools" in json.loads(out)["properties"]


def test_ctrl_c_says_that_nothing_is_half_made(kubeparcel, build):
    build(KeyboardInterrupt())
    code, out, err = kubeparcel("build")
    assert (code, out) == (130, "")
    assert "Nothing is half-made; the next run goes on." in err


SLOW = """
import time
from kubeparcel import cli
from kubeparcel.build import builder as build
def slow(*_, **__):
    print("started", flush=True)
    time.sleep(300)
build.build = slow
cli.main(["kubeparcel", "build"])
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_real_ctrl_c_and_a_real_termination_end_with_130(here, how):
    with subprocess.Popen(
        [sys.executable, "-c", SLOW],
        env={**os.environ, "PYTHONPATH": str(ROOT / "packaging")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "started\n"
        process.send_signal(how)
        _, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130
    assert "Traceback" not in err


BUSY = """
import sys
from concurrent.futures import ThreadPoolExecutor
from kubeparcel import cli
from kubeparcel.build import builder as build
from kubeparcel.process import run
def work(*_, **__):
    command = "sleep 300 & echo $$ $!; exec >&-; wait"
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda _: run(["sh", "-c", f"{{ {command}; }} > {sys.argv[1]}"]), range(1)))
build.build = work
cli.main(["kubeparcel", "build"])
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_programs_that_other_threads_run_are_ended_too_and_not_waited_for(here, how):
    with subprocess.Popen(
        [sys.executable, "-c", BUSY, here / "pids"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "packaging")},
        stderr=subprocess.PIPE,
    ) as process:
        pids = [int(word) for word in wait_for_line(here / "pids").split()]
        process.send_signal(how)
        process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130
    assert [wait_until_gone(pid) for pid in pids] == [True, True]


def test_a_reader_that_goes_away_is_no_error(here):
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
