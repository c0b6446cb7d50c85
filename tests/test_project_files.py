"""The project's CI files are valid by the schemas of GitHub and GitLab, and all files pass the hooks of pre-commit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.checkout import ROOT

FILES = {
    ".github/dependabot.yml": "dependabot",
    ".github/workflows/release.yml": "github-workflows",
    ".github/workflows/tests.yml": "github-workflows",
    "action.yml": "github-actions",
}


def check_schema(schema: str, file: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"]
    result = subprocess.run([*command, file], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("name", FILES)
def test_github_file_is_valid(name):
    check_schema(FILES[name], ROOT / name)


def test_every_github_file_is_checked():
    files = {str(path.relative_to(ROOT)) for path in (ROOT / ".github").rglob("*.yml")}
    assert files | {"action.yml"} == set(FILES)


def test_gitlab_component_has_inputs_and_valid_jobs(tmp_path):
    inputs, jobs = yaml.safe_load_all((ROOT / "templates/kubeparcel.yml").read_text())
    text = yaml.safe_dump(jobs)
    for name, value in inputs["spec"]["inputs"].items():
        placeholder = f"$[[ inputs.{name} ]]"
        assert placeholder in text, f"the input {name} is unused"
        assert value["description"]
        text = text.replace(placeholder, "[]" if value.get("type") == "array" else "value")
    assert "[[" not in text, "an unknown input is used"
    (tmp_path / "jobs.yml").write_text(text)
    check_schema("gitlab-ci", tmp_path / "jobs.yml")


def test_files_pass_pre_commit(tmp_path: Path) -> None:
    environment = os.environ | {"PRE_COMMIT_HOME": str(tmp_path), "SKIP": "ruff-check,ruff-format,mypy"}  # as in lint
    command = [sys.executable, "-m", "pre_commit", "run", "--all-files"]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
