"""Help: the list of tasks in groups, and each task's options and examples."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import get_args

import click
import pytest

from kubeparcel import __version__
from kubeparcel.cli.options import OPTIONS
from kubeparcel.cli.parameters import option_name
from kubeparcel.cli.program import GROUPS
from kubeparcel.config.settings import Settings
from kubeparcel.hosts.engine_cli import ENGINES
from kubeparcel.model import Arch, Format
from kubeparcel.repository.model import MetadataCompression
from kubeparcel.verify.levels import LEVELS
from tests.cli.conftest import TASKS
from tests.support.checkout import ROOT

BUILD_OPTIONS = [
    *["--kubernetes", "--cri-tools", "--cni", "--arch", "--format", "--source", "--mirror"],
    *["--layout", "--revision", "--compression", "--out", "--locked", "--dry-run", "--json"],
    "--quiet",
]


def test_list_has_every_task_with_its_summary(kubeparcel):
    code, out, _ = kubeparcel("--list")
    assert code == 0
    for task in TASKS:
        (line,) = [line for line in out.splitlines() if line.split()[:1] == [task]]
        assert len(line.split()) > 3


def test_list_is_in_groups(kubeparcel):
    lines = [line.removesuffix(":") for line in kubeparcel("--list")[1].splitlines()]
    headings = [line for line in lines if line in GROUPS]
    assert headings == ["Configure", "Build", "Verify", "Repository", "Keys"]
    assert {task.group for task in TASKS.values()} == set(headings)


def test_list_can_be_flat(kubeparcel):
    lines = kubeparcel("--list", "--list-format", "flat")[1].splitlines()
    assert [line.split()[0] for line in lines] == sorted(TASKS)


def test_list_can_be_json(kubeparcel):
    document = json.loads(kubeparcel("--list", "--list-format=json")[1])
    assert [entry["name"] for entry in document["tasks"]] == sorted(TASKS)
    entry = next(entry for entry in document["tasks"] if entry["name"] == "verify")
    assert (entry["group"], entry["help"]) == ("Verify", TASKS["verify"].summary)


def test_without_words_help_is_printed(kubeparcel):
    code, out, _ = kubeparcel()
    assert code == 0
    assert "Usage: kubeparcel" in out
    assert out == kubeparcel("--help")[1] == kubeparcel("help")[1] == kubeparcel("-h")[1]


@pytest.mark.parametrize("words", [("build", "--help"), ("--help", "build"), ("help", "build")])
def test_help_of_build_explains_each_option(kubeparcel, words):
    code, out, _ = kubeparcel(*words)
    assert code == 0
    for option in BUILD_OPTIONS:
        (line,) = [line for line in out.splitlines() if line.strip().startswith(option)]
        assert len(line.split()) > 2


@pytest.mark.parametrize("task", TASKS)
def test_help_of_every_task_explains_each_of_its_options(kubeparcel, task):
    code, out, _ = kubeparcel(task, "--help")
    assert code == 0
    assert "none" not in out.lower().split()
    options = [line for line in out.splitlines() if line.strip().startswith("--")]
    assert options
    assert all(len(line.split()) > 1 for line in options)


@pytest.mark.parametrize("task", TASKS)
def test_help_ends_with_examples_that_are_valid_commands(kubeparcel, task):
    examples = kubeparcel(task, "--help")[1].partition("\nExamples:\n")[2].splitlines()
    commands = [line.split() for line in examples if line.startswith("  kubeparcel ")]
    assert commands
    assert any(words[1] == task for words in commands)
    for _, name, *words in commands:
        shell_words = [word for word in words if not word.endswith(("'", ">"))]
        assert TASKS[name].make_context(name, shell_words[: _redirection(words)]).params


def _redirection(words: list[str]) -> int:
    return words.index(">") if ">" in words else len(words)


@pytest.mark.parametrize("words", [["--list"], ["--help"], *([task, "--help"] for task in TASKS)])
def test_help_fits_80_columns(kubeparcel, words):
    assert max(map(len, kubeparcel(*words)[1].splitlines())) <= 80


def test_help_of_a_task_can_be_printed_twice(kubeparcel):
    assert kubeparcel("build", "--help")[1] == kubeparcel("build", "--help")[1]


def test_version_is_printed(kubeparcel):
    assert kubeparcel("--version") == (0, f"kubeparcel {__version__}\n", "")


def test_choices_are_those_of_the_library():
    fields = Settings.model_fields
    assert OPTIONS["arch"].choices == tuple(Arch)
    assert OPTIONS["format"].choices == tuple(Format)
    for name in ("source", "layout", "compression"):
        assert OPTIONS[name].choices == get_args(fields[name].annotation)
    assert OPTIONS["level"].choices == LEVELS
    assert OPTIONS["metadata"].choices == tuple(MetadataCompression)
    assert set(OPTIONS["engine"].choices) == set(ENGINES)


def test_defaults_are_those_of_the_settings():
    defaults = Settings().model_dump(mode="json", by_alias=True)
    for name in ("kubernetes", "source", "layout", "revision", "compression", "out"):
        assert OPTIONS[name].default == defaults[name]
    for name in ("arch", "format"):
        assert OPTIONS[name].default == ",".join(defaults[name])


def test_every_option_of_the_table_is_used():
    used = {option_name(p.name) for task in TASKS.values() for p in task.params}
    assert not set(OPTIONS) - used


def test_tasks_of_a_checkout_are_listed_too():
    """They need Invoke only where they are defined; Invoke's own program runs them as well."""
    command = [sys.executable, ROOT / "tasks.py", "--list"]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "\n\nDevelop:\n  test " in listing
    command = [sys.executable, "-m", "invoke", "--list"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert TASKS["build"].summary in listing


@pytest.mark.parametrize("words", [("-k", "lock"), ("--k", "lock"), ("--group", "quick")])
def test_test_task_accepts_its_options_in_both_spellings(words):
    command = [sys.executable, ROOT / "tasks.py", "test", *words, "--help"]
    subprocess.run(command, capture_output=True, text=True, check=True)
    import tasks

    assert words[1] in tasks.test.make_context("test", list(words)).params.values()


@pytest.mark.parametrize(
    ("task", "option", "text"),
    [
        ("versions", "source", "upstream, go (Go modules) or auto"),
        ("mirror", "mirror", "copy from this mirror instead of upstream"),
        ("verify", "path", "[default: the output folder]"),
        ("image", "path", "[default: the output folder]"),
        ("copy", "path", "[default: all packages]"),
        ("publish", "to", "created if it does not exist"),
        ("publish", "from_", "[default: the output folder]"),
    ],
)
def test_help_of_a_shared_option_fits_the_task(task, option, text):
    assert text in next(p.help for p in TASKS[task].params if p.name == option)


def test_help_of_a_task_is_about_the_task():
    context = click.Context(TASKS["doctor"], info_name="doctor")
    text = TASKS["doctor"].get_help(context)
    assert "[OPTION ...] REPOSITORY\n" in text
    assert "print this help" in text
