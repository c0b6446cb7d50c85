"""Fixtures of the doctor's tests: a published repository, and functions that examine and list one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.doctor.examination import ExaminationRequest, examine
from kubeparcel.doctor.report import DoctorReport
from tests.conftest import isolate_environment
from tests.support.package_builders import five
from tests.support.repository_fixtures import (
    Publish,
    bucket,
    configuration,
    dist,
    key,
    newer,
    publish,
    publish_folder,
    repo,
    server,
    session_key,
)
from tests.support.task_runs import Run, runner

Doctor = Callable[..., DoctorReport]
IDENTITY = {"origin": "Example", "label": "Example label", "description": "Packages of Example"}
PACKAGE_FILE_CHECKS = {"files", "inside", "rpm-signature"}


@pytest.fixture(scope="package")
def published(session_key: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the five packages of 1.36.3, published once."""
    base = tmp_path_factory.mktemp("published")
    with pytest.MonkeyPatch.context() as patch:
        isolate_environment(patch, base / "cache")
        patch.setenv("KUBEPARCEL_CONFIG", str(session_key))
        dist = five(base / "dist")
        publish_folder(dist, base / "repo")
    return base / "repo"


@pytest.fixture
def damaged(published: Path, tmp_path: Path) -> Path:
    """A copy of the repository for tests that damage it."""
    return Path(shutil.copytree(published, tmp_path / "damaged"))


def edit_release(repo: Path, edit: Callable[[str], str]) -> None:
    """Edit both forms of the Release of the suite stable, whose signatures stay."""
    for name in ("InRelease", "Release"):
        path = repo / "apt/dists/stable" / name
        path.write_text(edit(path.read_text()))


@pytest.fixture
def doctor() -> Doctor:
    """A function that examines a location."""

    def examine_location(location: object, **options: object) -> DoctorReport:
        return examine(ExaminationRequest(str(location), **options), QuietLog())

    return examine_location


@pytest.fixture
def two_patches(publish: Publish, repo: Path, newer: Path, tmp_path: Path) -> Path:
    """A repository with 1.36.3 for two architectures and 1.36.4 for amd64, in generation 2."""
    options = {**IDENTITY, "base_url": "https://packages.example.com/k8s"}
    publish(five(tmp_path / "first", arches=("amd64", "arm64")), options=options)
    publish(newer)
    return repo


@pytest.fixture
def ls(capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(capsys, "ls")


@pytest.fixture
def ls_json(ls: Run) -> Callable[..., dict[str, Any]]:
    """Return a function that returns the JSON document of a run without messages."""

    def list_as_json(*words: object) -> dict[str, Any]:
        code, out, err = ls(*words, "--json")
        assert (code, err) == (0, "")
        return json.loads(out)

    return list_as_json
