"""The generated reference pages and man page: current, complete, valid."""

import re
import shutil
import subprocess
import sys

import click
import pytest

from kubeparcel.cli.program import Program
from kubeparcel.cli.reference import ENVIRONMENT, pages
from kubeparcel.config.setting_layers import ENV_PREFIX
from kubeparcel.config.settings import Settings
from kubeparcel.packages import limits
from kubeparcel.verify.layout.checks import CHECKS
from tests.cli.conftest import TASKS
from tests.support.checkout import ROOT

PAGES = pages(Program(TASKS))
MAN_PAGE = PAGES["docs/kubeparcel.1"]


@pytest.mark.parametrize("name", PAGES)
def test_page_is_current(name):
    assert (ROOT / name).read_text() == PAGES[name], "run: ./inv docs"


def test_docs_check_reports_current_pages():
    command = [sys.executable, ROOT / "tasks.py", "docs", "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "")


def test_pages_do_not_depend_on_the_program_s_name(monkeypatch):
    monkeypatch.setattr("sys.argv", ["tasks.py"])
    assert pages(Program(TASKS)) == PAGES


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_commands_and_man_page_have_every_option_and_example(task):
    commands, man = PAGES["docs/reference/commands.md"], MAN_PAGE.replace("\\-", "-")
    assert f"\n### {task.name}\n" in commands
    for command, _ in task.examples:
        assert f"kubeparcel {command}" in commands
        assert f"kubeparcel {command}" in man
    for parameter in task.params:
        positional = isinstance(parameter, click.Argument)
        label = parameter.metavar if positional else ", ".join(parameter.opts)
        assert f"`{label}" in commands
        assert f"\n.B {label}" in man


def test_man_page_passes_the_linter(tmp_path):
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    page = tmp_path / "kubeparcel.1"
    page.write_text(MAN_PAGE)
    command = ["mandoc", "-T", "lint", "-W", "warning", page]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stdout == ""


def test_configuration_page_explains_every_key():
    page = PAGES["docs/reference/configuration.md"]
    for name in Settings.model_fields:
        assert f"\n| `{name.replace('_', '-')}` |" in page
    assert not re.findall(r"^\| `.*\| \|.*\|$", page.replace("| |\n", "|\n"), re.MULTILINE)


def test_checks_page_has_every_check():
    page = PAGES["docs/reference/checks.md"]
    assert all(f"`{check.name}`" in page for check in CHECKS)


def test_limits_page_has_every_limit_with_its_variable():
    page = PAGES["docs/reference/limits.md"]
    for row in limits.table():
        assert f"| `{row.name}` | `{row.variable}` | {row.default:,} |" in page


def test_every_environment_variable_is_documented():
    """Those that override settings are documented with the settings."""
    source = "".join(path.read_text() for path in (ROOT / "packaging").rglob("*.py"))
    used = set(re.findall(rf'"({ENV_PREFIX}[A-Z_]+[A-Z])"', source))
    settings = {ENV_PREFIX + name.upper() for name in Settings.model_fields}
    assert used - settings - {"KUBEPARCEL_DOLLAR"} <= set(ENVIRONMENT)  # set for nfpm
