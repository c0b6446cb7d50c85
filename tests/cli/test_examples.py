"""The examples in the documents: configurations build packages that pass all checks, CI files are valid."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from kubeparcel.config.releases import load_releases
from kubeparcel.config.settings import Settings, load_settings
from tests.support.checkout import ROOT
from tests.support.git_trees import TREES, GitTree
from tests.test_project_files import check_schema

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"^`(files/[^`\s]+)`[^\n]*:\n\n```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
"""The content of a file that an example needs, introduced by its name."""

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
SETTINGS = {field.replace("_", "-") for field in Settings.model_fields}
INIT = "templates/init/kubeparcel.yaml"


def kind(text: str) -> str:
    """Return what an example in YAML is: a configuration, a CI file or a part of one."""
    data = next(iter(yaml.safe_load_all(text)))
    if isinstance(data, list):
        return "github-steps"
    if set(data) <= SETTINGS:
        return "fleet" if {"workers", "releases"} & set(data) else "kubeparcel"
    if "apiVersion" in data:
        return "kubernetes"
    return "github-workflows" if "on" in data or True in data else "gitlab-ci"


def examples(*kinds: str) -> list[tuple[str, str]]:
    """Return the examples of these kinds as pairs of document:line and text."""
    result = []
    for document in DOCUMENTS:
        content = document.read_text()
        for match in BLOCK.finditer(content):
            is_file = any(match[2] == text for _, text in FILE.findall(content))
            if match[1] == "yaml" and not is_file and kind(match[2]) in kinds:
                line = content.count("\n", 0, match.start()) + 1
                result.append((f"{document.relative_to(ROOT)}:{line}", match[2]))
    return result


def named_files(document: Path) -> Mapping[str, str]:
    """Return the files that the examples of a document need, by their path."""
    return dict(FILE.findall(document.read_text()))


@pytest.mark.parametrize(("place", "text"), examples("kubeparcel"))
def test_configuration_builds_packages_that_pass_all_checks(kubeparcel, fake_sources, workdir, place, text):
    fake_sources()
    (workdir / "kubeparcel.yaml").write_text(text)
    for name, content in named_files(ROOT / place.partition(":")[0]).items():
        (workdir / name).parent.mkdir(exist_ok=True)
        (workdir / name).write_text(content)
    for component, folder in load_settings({}).tree_folders().items():
        GitTree(folder, *TREES[component])
    code, out, err = kubeparcel("build", "--compression", "fast", "--kubernetes", "1.36.3")
    assert code == 0, f"{place}\n{out}{err}"
    code, out, err = kubeparcel("verify")
    assert code == 0, f"{place}\n{out}{err}"
    for name in yaml.safe_load(text).get("packages", {}):
        for pattern in (f"deb/{name}_*.deb", f"rpm/{name}-*.rpm"):
            assert list((workdir / "dist").glob(pattern)), f"{place}: no {pattern}"


@pytest.mark.parametrize(("place", "text"), examples("fleet"))
def test_settings_of_many_releases_and_machines_are_valid(workdir, place, text):
    """Tests of builds with several releases and on workers build with such settings."""
    (workdir / "kubeparcel.yaml").write_text(text)
    for patch in re.findall(r"[\w/-]+\.patch", text):
        (workdir / patch).parent.mkdir(exist_ok=True)
        (workdir / patch).write_text("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n")
    releases = load_releases({}).selected
    assert len(releases) == len(yaml.safe_load(text).get("releases", [None])), place
    assert all(release.variant().patches for release in releases if release.version_suffix), place


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_of_an_example_is_used(document):
    content = document.read_text()
    for name in named_files(document):
        assert re.search(rf"(source|template|file): {re.escape(name)}\b", content), f"{document}: {name} is unused"


@pytest.mark.parametrize(("place", "text"), examples("github-workflows", "gitlab-ci"))
def test_ci_file_is_valid(tmp_path, place, text):
    file = tmp_path / "ci.yml"
    file.write_text(text)
    check_schema(kind(text), file)


@pytest.mark.parametrize(("place", "text"), examples("github-steps"))
def test_steps_of_a_workflow_are_valid(tmp_path, place, text):
    job = {"runs-on": "ubuntu-24.04", "steps": yaml.safe_load(text)}
    file = tmp_path / "ci.yml"
    file.write_text(yaml.safe_dump({"on": "push", "jobs": {"packages": job}}))
    check_schema("github-workflows", file)


def test_documents_have_examples_of_every_kind():
    assert len(examples("kubeparcel")) >= 3
    assert len(examples("github-workflows")) >= 2
    assert len(examples("gitlab-ci")) >= 2
    assert len(examples("github-steps")) >= 2
