"""Completion of tasks, options and values, in the real shells."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kubeparcel.cli.completion import respond
from kubeparcel.cli.program import Program
from kubeparcel.hosts import catalog
from tests.cli.conftest import TASKS

CASES = [
    ("kubeparcel bui", ["build"]),
    ("kubeparcel build --dry", ["--dry-run"]),
    ("kubeparcel build --arch ", ["amd64", "arm64", "ppc64le", "s390x"]),
    ("kubeparcel build --arch amd64,a", ["amd64,arm64"]),
    ("kubeparcel build --quiet --compression s", ["small"]),
    ("kubeparcel build --format=r", ["--format=rpm"]),
    ("kubeparcel verify --level ", ["layout", "install", "service", "cluster"]),
    ("kubeparcel key ro", ["rotate"]),
    ("kubeparcel publish --metadata ", ["zstd", "gzip"]),
    ("kubeparcel build --out fil", ["file-name"]),
]


@pytest.fixture
def complete(monkeypatch, capsys) -> Callable[..., list[str]]:
    """Return the lines printed for the words of a command line, as fish gets them."""

    def complete(*words: str) -> list[str]:
        monkeypatch.setenv("COMP_WORDS", shlex.join(["kubeparcel", *filter(None, words)]))
        monkeypatch.setenv("COMP_CWORD", words[-1])
        assert respond(Program(TASKS), "fish_complete") == 0
        lines = capsys.readouterr().out.splitlines()
        return [line.removeprefix("plain,") for line in lines if line.startswith("plain,")]

    return complete


@pytest.fixture
def candidates(complete) -> Callable[..., list[str]]:
    """Return the candidates for the last word, other than file names."""
    return lambda *words: [line.partition("\t")[0] for line in complete(*words)]


def test_complete_offers_all_tasks_for_an_empty_word(candidates):
    assert candidates("") == list(TASKS)
    assert candidates("help", "") == list(TASKS)


def test_complete_offers_the_options_of_the_task(candidates):
    assert candidates("build", "--l") == ["--layout", "--locked"]
    assert candidates("build", "--arch", "amd64", "--lo") == ["--locked"]
    assert candidates("build", "--no-such-option", "--lo") == ["--locked"]
    assert "--kubernetes" in candidates("build", "")
    assert candidates("--vers") == ["--version"]


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (("build", "--source", ""), ["auto", "upstream", "go"]),
        (("build", "--layout", ""), ["etc", "official"]),
        (("build", "--compression=f"), ["--compression=fast"]),
        (("build", "--arch", "amd64,arm64,"), ["ppc64le", "s390x"]),
        (("verify", "--engine", ""), ["podman", "docker"]),
        (("key", ""), ["new", "show", "list", "extend", "rotate"]),
        (("key", "new", "--na"), ["--name"]),
        (("init", "--ci", "g"), ["github", "gitlab"]),
        (("--print-completion-script", ""), ["bash", "zsh", "fish"]),
        (("verify", ""), []),
        (("build", "--out", ""), []),
    ],
)
def test_complete_offers_the_values_of_an_option(candidates, words, values):
    assert [value.removeprefix("amd64,arm64,") for value in candidates(*words)] == values


def test_complete_offers_hosts(candidates):
    assert candidates("verify", "--on", "") == list(catalog.load_hosts().hosts)


def test_complete_describes_tasks_and_options(complete):
    assert complete("bui") == [f"build\t{TASKS['build'].summary}"]
    assert complete("build", "--quie")[0].startswith("--quiet\tprint only")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_is_printed_for_each_shell(kubeparcel, shell):
    code, out, _ = kubeparcel("--print-completion-script", shell)
    assert code == 0
    assert f"_KUBEPARCEL_COMPLETE={shell}_complete" in out


@pytest.fixture
def shell_folder(tmp_path: Path, kubeparcel) -> Path:
    """A folder with a file, and a `kubeparcel` on PATH."""
    folder = tmp_path / "shell"
    (folder / "bin").mkdir(parents=True)
    (folder / "file-name").touch()
    program = folder / "bin/kubeparcel"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m kubeparcel "$@"\n')
    program.chmod(0o755)
    for shell in ("bash", "zsh", "fish"):
        (folder / shell).write_text(kubeparcel("--print-completion-script", shell)[1])
    return folder


def run_shell(folder: Path, *argv: str) -> list[str]:
    if not shutil.which(argv[0]):
        pytest.skip(f"{argv[0]} is not installed")
    env = {**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}", "HOME": str(folder), "TERM": "dumb"}
    result = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return [line.partition("\t")[0].strip() for line in result.stdout.splitlines() if line.strip()]


BASH = """
source ./bash
COMP_WORDS=(${1//=/ = })
[[ $1 == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
current=${1##*[ =]}
_kubeparcel_completion kubeparcel "$current" previous
printf '%s\\n' "${COMPREPLY[@]}"
((${#COMPREPLY[@]})) || compgen -f -- "$current"
complete -p kubeparcel >/dev/null
"""


# Functions of the completion system print instead of filling the line editor's list.
ZSH = r"""
autoload -Uz compinit && compinit -u -D
source ./zsh
_describe() { print -rl -- ${completions_with_descriptions%%:*} }
compadd() { print -rl -- $completions }
_path_files() { print -rl -- ${PREFIX}*(N) }
line=$1
words=(${(z)line})
[[ $line == *' ' ]] && words+=('')
CURRENT=$#words
PREFIX=$words[CURRENT]
_kubeparcel_completion
"""
FISH = "source ./fish; complete --do-complete $argv[1]"


@pytest.mark.parametrize(("line", "expected"), CASES)
@pytest.mark.parametrize(
    "command", [("bash", "-c", BASH, "bash"), ("fish", "-c", FISH), ("zsh", "-f", "-c", ZSH, "zsh")], ids=lambda c: c[0]
)
def test_shell_completes(shell_folder, command, line, expected):
    words = [word.removeprefix("--format=") for word in expected] if command[0] == "bash" else expected
    order = sorted if command[0] == "fish" else list
    assert order(run_shell(shell_folder, *command, line)) == order(words)
