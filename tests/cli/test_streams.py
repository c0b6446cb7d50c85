"""Standard streams that are full, closed or in another encoding."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import TIMEOUT

PROGRAM = [sys.executable, "-m", "kubeparcel"]


def test_closed_pipe_is_not_an_error(workdir):
    """`kubeparcel config --schema | head -1`."""
    command = [*PROGRAM, "config", "--schema"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        err = process.stderr.read()
        assert (process.wait(TIMEOUT), err) == (0, b"")


def run_shell(script: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run a script of bash, in which $program is the program."""
    environment = {**os.environ, "program": " ".join(PROGRAM)}
    return subprocess.run(["bash", "-c", script], env=environment, capture_output=True, check=False, **options)


FULL_OUTPUT = b"Standard output: No space left on device."


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        *((words.split(), 3, FULL_OUTPUT) for words in ("config", "config --json", "--list", "build --help")),
        (["build", "x", "--json"], 2, b"Invalid version 'x'"),
    ],
)
def test_full_standard_output_is_an_error_without_a_traceback(workdir, words, code, message):
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run([*PROGRAM, *words], stdout=full, stderr=subprocess.PIPE, check=False)
    assert result.returncode == code
    assert b"Traceback" not in result.stderr
    assert message in result.stderr


@pytest.mark.parametrize(("words", "code"), [(["config"], 0), (["nothing"], 2), (["verify", "nothing"], 2)])
def test_full_standard_error_changes_nothing(workdir, words, code):
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run([*PROGRAM, *words], stderr=full, stdout=subprocess.PIPE, check=False)
    assert result.returncode == code
    assert bool(result.stdout) == (code == 0)


@pytest.mark.parametrize("closing", [">&-", "2>&-", ">&- 2>&-", "<&-"])
@pytest.mark.parametrize(("words", "code"), [("config", 0), ("nothing", 2), ("hosts --engine x", 2)])
def test_closed_streams_are_no_bug(workdir, closing, words, code):
    result = run_shell(f"$program {words} {closing}")
    assert result.returncode == code
    assert b"Traceback" not in result.stderr


def test_exit_code_survives_a_closed_pipe(workdir):
    """`kubeparcel verify | head -1` under pipefail."""
    result = run_shell("set -o pipefail; $program build x --json | true")
    assert (result.returncode, result.stderr) == (2, b"")


def test_characters_that_the_encoding_lacks_are_replaced(workdir):
    result = run_shell("PYTHONIOENCODING=ascii $program build $'\\xff·'")
    assert result.returncode == 2
    assert b"Traceback" not in result.stderr


def test_current_folder_that_was_removed_is_named(workdir):
    folder = workdir / "folder"
    folder.mkdir()
    result = run_shell('rmdir "$PWD"; exec $program config', cwd=folder)
    assert (result.returncode, result.stderr) == (3, b"The current folder: No such file or directory.\n")
