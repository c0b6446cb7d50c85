"""Standard streams that are full, closed or in another encoding."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.checkout import ROOT
from tests.support.waiting import TIMEOUT


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
