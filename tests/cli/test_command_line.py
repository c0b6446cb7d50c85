"""Words of the command line become tasks with options, or an error that names the wrong word."""

from __future__ import annotations

import json
import os

import click
import pytest
from click.core import ParameterSource

from kubeparcel import cli
from kubeparcel.cli.environment import ENVIRONMENT
from kubeparcel.cli.parameters import ValueType
from kubeparcel.cli.program import Program
from kubeparcel.errors import UsageError
from kubeparcel.hosts.catalog import load_hosts
from tests.cli.conftest import TASKS


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
        ("build --kubernetes 1.36 --dry-run", {"kubernetes": "1.36", "dry_run": True}),
        ("build --cni 1 --cni 2", {"cni": "2"}),
        ("publish --valid 0 --wait=0", {"valid": 0, "wait": 0}),
        ("key show --name x", {"action": "show", "name": "x"}),
        ("init folder", {"directory": "folder"}),
    ],
)
def test_parse_assigns_options_and_words_without_a_dash(written, values):
    assert parse(*written.split()) == values


def test_program_accepts_its_options_in_any_order(kubeparcel):
    context = Program(TASKS).make_context("kubeparcel", ["-d", "--list-format", "json", "-l"])
    assert context.params["list"] is True
    assert context.params["list_format"] == "json"
    assert os.environ["KUBEPARCEL_DEBUG"] == "1"


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
        ("clean dist", "Unexpected argument 'dist' for clean.", "Options: kubeparcel clean --help"),
        ("key new publish", "Unexpected argument 'publish' for key.", ""),
        ("verify a.deb --junit", "--junit needs a value", ""),
        ("build 1.36 dist", "Unexpected argument 'dist' for build.", "Options: kubeparcel build --help"),
        ("build dist", "--kubernetes: Invalid version 'dist'.", "Expected a version like 1.36.3"),
        ("build 1.36 --kubernetes 1.35", "Two versions of Kubernetes: 1.36 and --kubernetes 1.35.", ""),
        ("key sho", "Invalid action 'sho': use new, show, list, extend or rotate. Did you mean 'show'?", ""),
        ("build --kubernetes", "--kubernetes needs a value: stable, 1.36", ""),
        ("build --kubernetes --quiet", "--kubernetes needs a value: ", ""),
        ("build --cri-tools", "--cri-tools needs a value: ", ""),
        ("build --locked=yes", "--locked takes no value.", ""),
        ("key", "Missing ACTION: new, show, list, extend or rotate.", "Options: kubeparcel key --help"),
        ("key --name x build", "Invalid action 'build': use new, show, list, extend or rotate.", ""),
        ("--list --list-depth x", "Invalid --list-depth 'x': use a whole number from", ""),
        ("publish --wait=x", "Invalid --wait 'x': use a whole number from 0 to", ""),
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
        ("build --arch amd64,,arm64", "Empty value in --arch 'amd64,,arm64'."),
        ("build --format zip", "Invalid --format 'zip': use deb or rpm."),
        ("build --format DEB", "Invalid --format 'DEB': use deb or rpm. Did you mean 'deb'?"),
        ("build --arch arm46", "Invalid --arch 'arm46': use amd64, arm64, ppc64le or s390x. Did you mean 'arm64'?"),
        ("key new --days 0", "Invalid --days '0': use a whole number from 1 to 36500."),
        ("key extend --days -5", "Invalid --days '-5': use a whole number from 1 to 36500."),
        ("publish --to x --valid -1", "Invalid --valid '-1': use a whole number from 0 to 36500."),
        ("publish --to x --generations 0", "Invalid --generations '0': use a whole number from 1 to"),
        ("rollback --to x --generation 0", "Invalid --generation '0': use a whole number from 1 to"),
        ("retain --to x --keep 0", "Invalid --keep '0': use a whole number from 1 to"),
        ("publish --to x --wait -1", "Invalid --wait '-1': use a whole number from 0 to"),
        ("doctor x --horizon 99999999999", "Invalid --horizon '99999999999': use a whole number from 0 to 36500."),
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


VALUES = [
    (task.name, parameter)
    for task in cli.TASKS
    for parameter in task.params
    if isinstance(parameter.type, ValueType) and parameter.type.kind is not int
]


@pytest.mark.parametrize(("task", "parameter"), VALUES, ids=lambda value: getattr(value, "name", value))
@pytest.mark.parametrize("value", ["", " "])
def test_empty_value_is_a_usage_error_that_names_the_option(kubeparcel, task, parameter, value):
    arguments = [p for p in TASKS[task].params if isinstance(p, click.Argument)]
    if isinstance(parameter, click.Option):
        needed = [parameter.opts[-1], value]
    else:
        before = arguments[: arguments.index(parameter)]
        needed = [*(next(iter(argument.type.option.choices), "x") for argument in before), value]
    code, out, err = kubeparcel(task, *needed, *(["show"] if task == "key" and len(needed) == 2 else []))
    assert (code, out) == (2, "")
    assert err.startswith(f"{parameter.opts[-1]} is empty.\n")
    assert "Expected: " in err


@pytest.mark.parametrize("words", ["--arch x86_64,aarch64", "--arch x86-64,ARM64"])
def test_other_names_of_architectures_are_understood(kubeparcel, words):
    _, out, _ = kubeparcel("config", *words.split(), "--json")
    assert json.loads(out)["arch"] == ["amd64", "arm64"]


def test_other_names_of_architectures_are_understood_in_file_and_variables(kubeparcel, workdir, monkeypatch):
    (workdir / "kubeparcel.yaml").write_text("arch: [x86_64, ppc64el]\n")
    assert json.loads(kubeparcel("config", "--json")[1])["arch"] == ["amd64", "ppc64le"]
    monkeypatch.setenv("KUBEPARCEL_ARCH", "aarch64")
    assert json.loads(kubeparcel("config", "--json")[1])["arch"] == ["arm64"]


@pytest.mark.parametrize("task", [task.name for task in cli.TASKS if "version" in {p.name for p in task.params}])
def test_version_may_be_an_argument(task):
    assert parse(task, "1.36.3") == {"version": "1.36.3"}


def test_version_as_an_argument_is_the_version_of_kubernetes(kubeparcel):
    assert kubeparcel("config", "1.36.3")[1].startswith("kubernetes: 1.36.3\n")


@pytest.mark.parametrize("words", [["help"], ["help", "build"], ["--help", "build"], ["build", "--help"]])
def test_help_is_a_word_too(kubeparcel, words):
    code, out, err = kubeparcel(*words)
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: kubeparcel {'build' if 'build' in words else 'TASK'} ")


@pytest.mark.parametrize(
    ("variable", "suggestion"),
    [
        ("KUBEPARCEL_KUBERNETS", ' Did you mean "KUBEPARCEL_KUBERNETES"?'),
        ("KUBEPARCEL_KEY_PASSPHRASES", ' Did you mean "KUBEPARCEL_KEY_PASSPHRASE"?'),
        ("KUBEPARCEL_LIMIT_MEMBER", ' Did you mean "KUBEPARCEL_LIMIT_MEMBERS"?'),
        ("KUBEPARCEL_SOMETHING", ""),
        ("KUBEPARCEL_PATCHES", ""),
    ],
)
@pytest.mark.parametrize("task", ["config", "hosts", "key list"])
def test_unknown_variable_is_an_error_in_every_task(kubeparcel, monkeypatch, variable, suggestion, task):
    monkeypatch.setenv(variable, "secret")
    code, out, err = kubeparcel(*task.split())
    assert (code, out) == (2, "")
    assert err.startswith(f"{variable} is not a variable of kubeparcel.{suggestion}\n")
    assert "secret" not in err


@pytest.mark.parametrize(
    "variable", [*ENVIRONMENT, "KUBEPARCEL_OUT", "KUBEPARCEL_SERVICE_HOST", "KUBEPARCEL_PORT_80_TCP"]
)
def test_variables_of_kubeparcel_and_of_kubernetes_services_are_accepted(kubeparcel, monkeypatch, variable):
    """Kubernetes sets the latter in pods next to a service named kubeparcel."""
    monkeypatch.setenv(variable, "1")
    assert kubeparcel("config")[0] == 0


def test_home_folder_of_an_unknown_user_is_an_error_of_the_configuration(kubeparcel, monkeypatch):
    monkeypatch.setenv("KUBEPARCEL_CONFIG", "~no-such-user/keys")
    code, _, err = kubeparcel("key", "list")
    assert (code, err) == (2, "Invalid path '~no-such-user/keys': this user has no home folder.\n")


def test_unknown_host_names_the_nearest(kubeparcel):
    with pytest.raises(UsageError, match=r"Unknown host 'trixi'\. Did you mean 'trixie'\?"):
        load_hosts().get("trixi")


def test_packages_may_be_named_by_a_variable(kubeparcel, monkeypatch):
    monkeypatch.setenv("KUBEPARCEL_PACKAGES", "helm")
    assert "helm" in kubeparcel("config")[1]
