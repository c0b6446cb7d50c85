"""Words of the command line become tasks with options, or an error that names the wrong word."""

from __future__ import annotations

import json
import os

import pytest
from click.core import ParameterSource

from kubeparcel import cli
from kubeparcel.cli.program import Program
from kubeparcel.errors import UsageError

TASKS = {task.name: task for task in cli.TASKS}


def parse(task: str, *words: str) -> dict[str, object]:
    """Parse the words after a task and return the options among them."""
    context = TASKS[task].make_context(task, list(words))
    return {
        name: value
        for name, value in context.params.items()
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ("verify a.deb b.rpm", {"path": ("a.deb", "b.rpm")}),
        ("verify", {}),
        ("verify --json a.deb", {"json_": True, "path": ("a.deb",)}),
        ("verify a.deb --json", {"path": ("a.deb",), "json_": True}),
        ("verify --junit report.xml a.deb", {"junit": "report.xml", "path": ("a.deb",)}),
        ("verify --junit=report.xml a.deb", {"junit": "report.xml", "path": ("a.deb",)}),
        ("verify --path a.deb b.deb", {"path": ("a.deb", "b.deb")}),
        ("verify --level layout build", {"level": "layout", "path": ("build",)}),
        ("verify --debug a.deb", {"path": ("a.deb",)}),
        ("verify --from=", {"from_": ""}),
        ("build --kubernetes 1.36 --dry-run", {"kubernetes": "1.36", "dry_run": True}),
        ("build --cni 1 --cni 2", {"cni": "2"}),
        ("publish --valid -1 --wait=0", {"valid": -1, "wait": 0}),
        ("key show --name x", {"action": "show", "name": "x"}),
        ("init folder", {"directory": "folder"}),
    ],
)
def test_parse_assigns_options_and_words_without_a_dash(written, values):
    assert parse(*written.split()) == values


def test_a_second_task_is_an_unexpected_argument():
    with pytest.raises(UsageError, match="Unexpected argument 'publish' for key"):
        parse("key", "new", "publish")


def test_program_accepts_its_options_in_any_order(kubeparcel):
    context = Program(TASKS).make_context("kubeparcel", ["-d", "--list-format", "json", "-l"])
    assert context.params["list"] is True
    assert context.params["list_format"] == "json"
    assert os.environ["KUBEPARCEL_DEBUG"] == "1"


def test_parse_rejects_a_missing_value_at_the_end():
    with pytest.raises(UsageError, match="--junit needs a value"):
        parse("verify", "a.deb", "--junit")


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ("biuld", "Unknown task 'biuld'. Did you mean 'build'?", "Tasks: kubeparcel --list"),
        ("nothing a.deb", "Unknown task 'nothing'.", "Tasks: kubeparcel --list"),
        (
            "build --kubernets 1.36",
            "Unknown option '--kubernets'. Did you mean '--kubernetes'?",
            "Options: kubeparcel build --help",
        ),
        ("build --lock", "Unknown option '--lock'. Did you mean '--locked'?", "Options: kubeparcel build --help"),
        ("build dist", "Unexpected argument 'dist' for build.", "Options: kubeparcel build --help"),
        ("build --kubernetes 1.36 dist", "Unexpected argument 'dist' for build.", "Options: kubeparcel build --help"),
        ("build --kubernetes", "--kubernetes needs a value: stable, 1.36", ""),
        ("build --kubernetes --quiet", "--kubernetes needs a value: ", ""),
        ("build --cri-tools", "--cri-tools needs a value: ", ""),
        ("build --locked=yes", "--locked takes no value.", ""),
        ("key", "Missing ACTION: new, show, list, extend or rotate.", "Options: kubeparcel key --help"),
        ("key --name x build", "Invalid action 'build': use new, show, list, extend or rotate.", ""),
        ("--list --list-depth x", "Invalid --list-depth 'x': use a whole number.", ""),
        ("publish --wait=x", "Invalid --wait 'x': use a whole number.", ""),
        ("--list --list-format x", "Invalid --list-format 'x': use flat, nested or json.", ""),
        ("--print-completion-script tcsh", "Invalid --print-completion-script 'tcsh': use", ""),
        ("--list nothing", "Unknown task 'nothing'.", "Tasks: kubeparcel --list"),
        ("--help nothing", "Unknown task 'nothing'.", "Tasks: kubeparcel --list"),
        ("help biuld", "Unknown task 'biuld'. Did you mean 'build'?", "Tasks: kubeparcel --list"),
        ("--no-such-option", "Unknown option '--no-such-option'.", "Options: kubeparcel --help"),
    ],
)
def test_invalid_words_are_a_usage_error_with_a_hint(kubeparcel, words, message, hint):
    code, out, err = kubeparcel(*words.split())
    assert (code, out) == (2, "")
    assert err.startswith(message)
    assert hint in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("build --arch x86", "Invalid --arch 'x86': use amd64, arm64, ppc64le or s390x."),
        ("build --arch amd64,x86", "Invalid --arch 'x86': use amd64, arm64, ppc64le or s390x."),
        ("build --format zip", "Invalid --format 'zip': use deb or rpm."),
        ("build --kubernetes 1.x", "--kubernetes: "),
        ("verify --level planet", "Invalid --level 'planet': use layout, install, service or"),
        ("publish --to x --metadata lzma", "Invalid --metadata 'lzma': use zstd or gzip."),
        ("mirror", "Missing option --to: the folder to fill."),
        ("publish", "Missing option --to: the repository's folder or s3://BUCKET/PREFIX."),
    ],
)
def test_invalid_values_are_a_usage_error_that_names_the_option(kubeparcel, words, message):
    code, out, err = kubeparcel(*words.split())
    assert (code, out) == (2, "")
    assert err.startswith(message)


@pytest.mark.parametrize("option", ["--version", "--list", "--help"])
def test_options_of_the_program_run_no_task(kubeparcel, fail_build, option):
    fail_build(AssertionError("a task ran"))
    assert kubeparcel(option, "build")[0] == 0


def test_json_reports_a_usage_error_as_a_document(kubeparcel):
    code, out, err = kubeparcel("build", "--json", "--kubernets", "1.36")
    document = json.loads(out)
    assert (code, document["exit"], err) == (2, 2, "")
    assert document["error"] == "Unknown option '--kubernets'. Did you mean '--kubernetes'?"
