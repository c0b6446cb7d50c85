"""The jobs of a build for CI, and the pipelines of the documentation that use them."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from kubeparcel.build.lock import lockfile
from kubeparcel.build.matrix import LIMITS, BuildMatrix, plan_matrix
from kubeparcel.config.releases import load_releases
from kubeparcel.errors import ConfigurationError, UnknownVersion
from kubeparcel.lock_models import Component
from kubeparcel.model import Arch, Version
from tests.build.test_fleet import Fleet
from tests.support.checkout import ROOT
from tests.test_project_files import check_schema

SECTION = (ROOT / "docs/how-to/ci.md").read_text().partition("## Several releases")[2].partition("\n## ")[0]
GITHUB, GITLAB, CHILD = re.findall(r"^```yaml\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL)


class PatchedFleet(Fleet):
    """Releases whose version has a suffix."""

    name: ClassVar[str] = "go"

    def pin(self, component: str, version: Version, arches: Sequence[Arch]) -> Component:
        suffix = "a.1" if component == "kubernetes" else ""
        return dataclasses.replace(super().pin(component, version, arches), version=version.with_suffix(suffix))


@pytest.fixture
def planned(workdir: Path, fake_sources: Any, log: Any) -> BuildMatrix:
    fake_sources(Fleet())
    return plan_matrix(load_releases({"kubernetes": "1.35,1.36", "arch": "amd64,arm64"}), log)


def test_jobs_are_releases_by_architectures_and_nothing_is_written(planned, workdir):
    assert [(job.kubernetes, job.arch, job.packages) for job in planned.jobs] == [
        (version, arch, 10) for version in ("1.35.4", "1.36.3") for arch in ("amd64", "arm64")
    ]
    assert max(map(len, planned.render("").splitlines())) <= 80
    assert json.loads(planned.render("json"))["jobs"][0]["kubernetes"] == "1.35.4"
    assert not (workdir / lockfile.NAME).exists()


def test_github_runs_the_jobs_as_a_matrix(planned, tmp_path):
    matrix = json.loads(planned.render("github"))
    assert "\n" not in planned.render("github")  # one line of GITHUB_OUTPUT
    workflow = yaml.safe_load(GITHUB)
    strategy = workflow["jobs"]["build"]["strategy"]
    assert strategy["matrix"] == "${{ fromJSON(needs.plan.outputs.jobs) }}"
    assert set(matrix["include"][0]) == set(re.findall(r"matrix\.(\w+)", GITHUB))
    (tmp_path / "documented.yml").write_text(GITHUB)
    check_schema("github-workflows", tmp_path / "documented.yml")
    strategy["matrix"] = matrix
    (tmp_path / "expanded.yml").write_text(
        yaml.safe_dump({("on" if key is True else key): v for key, v in workflow.items()})
    )
    check_schema("github-workflows", tmp_path / "expanded.yml")


def test_gitlab_runs_the_jobs_as_a_child_pipeline(planned, tmp_path):
    (tmp_path / "parent.yml").write_text(GITLAB)
    check_schema("gitlab-ci", tmp_path / "parent.yml")
    jobs, child = yaml.safe_load(planned.render("gitlab")), yaml.safe_load(CHILD)
    (hidden,) = jobs
    assert child["build"]["extends"] == hidden
    assert jobs[hidden]["parallel"]["matrix"][0] == {"KUBEPARCEL_KUBERNETES": "1.35.4", "KUBEPARCEL_ARCH": "amd64"}
    (tmp_path / "child.yml").write_text(yaml.safe_dump({**jobs, **child}))
    check_schema("gitlab-ci", tmp_path / "child.yml")


def test_jobs_of_a_patched_release_name_its_suffix(workdir, fake_sources, log, monkeypatch):
    fake_sources(go=PatchedFleet())
    (workdir / "fix.patch").write_text("x")
    (workdir / "kubeparcel.yaml").write_text(
        "source: go\nreleases:\n  - {kubernetes: '1.36', version-suffix: +a.1, patches: {kubernetes: [fix.patch]}}\n"
    )
    (job,) = plan_matrix(load_releases({}), log).jobs
    monkeypatch.setenv("KUBEPARCEL_KUBERNETES", job.kubernetes)
    (settings,) = load_releases({}).selected
    assert (job.kubernetes, settings.kubernetes, settings.version_suffix) == ("1.36.3+a.1", "1.36.3", "+a.1")


def test_release_that_does_not_exist_is_reported_and_the_others_are_planned(workdir, fake_sources, log):
    fake_sources(Fleet())
    planned = plan_matrix(load_releases({"kubernetes": "1.35,1.99"}), log)
    assert (planned.exit_code, [job.kubernetes for job in planned.jobs]) == (2, ["1.35.4"])
    assert "1.99 failed: Kubernetes 1.99 is not published." in log.warnings[-1]
    with pytest.raises(UnknownVersion):
        plan_matrix(load_releases({"kubernetes": "1.99"}), log)


def test_locked_plan_needs_a_lock(workdir, fake_sources, log):
    fake_sources(Fleet())
    with pytest.raises(ConfigurationError, match=r"kubeparcel\.lock is missing"):
        plan_matrix(load_releases({"kubernetes": "1.35"}), log, locked=True)


def test_matrix_with_too_many_jobs_is_warned_of(workdir, fake_sources, log, monkeypatch):
    fake_sources(Fleet())
    monkeypatch.setitem(LIMITS, "gitlab", 1)
    plan_matrix(load_releases({"kubernetes": "1.35,1.36"}), log, matrix="gitlab")
    assert log.warnings == ["gitlab permits 1 jobs in a matrix, and these are 2: select some with --kubernetes."]
