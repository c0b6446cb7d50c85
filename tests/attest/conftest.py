"""Fixtures: packages of a build with fake binaries, and a repository of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kubeparcel.attest.verify import AttestRequest, verify
from kubeparcel.build.workers.check_unit import CheckUnit
from kubeparcel.config.settings import load_settings
from kubeparcel.console import QuietLog
from kubeparcel.reports.results import Check, CheckState, Report
from tests.conftest import isolate_environment
from tests.support import one_release
from tests.support.fake_sources import replace_sources
from tests.support.repository_fixtures import bucket, configuration, key, publish_folder, server, session_key

OPTIONS = {"kubernetes": "1.36.3", "compression": "fast"}


def build(workdir: Path) -> None:
    """Build into `dist`; the checks are left out, since the binaries are no programs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CheckUnit, "run", lambda *_: (Check("x", "x"),))
        one_release.build(load_settings(OPTIONS, workdir), QuietLog())


@pytest.fixture(scope="package")
def originals(session_key: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a build in `workdir` and a repository of it in `repo`, made once."""
    base = tmp_path_factory.mktemp("attested")
    (base / "workdir").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        isolate_environment(patch, base / "cache")
        patch.setenv("KUBEPARCEL_CONFIG", str(session_key))
        replace_sources(patch)
        build(base / "workdir")
        source = base / "workdir/dist"
        publish_folder(source, base / "repo")
    return base


@pytest.fixture
def built(originals: Path, workdir: Path, fake_sources: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The output folder of a build, in the current folder; all that its fake sources name may be fetched."""
    fake_sources()
    monkeypatch.setattr("kubeparcel.attest.rebuild.require_upstream_origins", lambda *_, **__: None)
    shutil.copytree(originals / "workdir", workdir, dirs_exist_ok=True)
    return workdir / "dist"


@pytest.fixture
def published(originals: Path, built: Path, tmp_path: Path) -> Path:
    """A repository with the packages."""
    return Path(shutil.copytree(originals / "repo", tmp_path / "repo"))


def attest(*locations: object, key: object = "", base: Path | None = None, **options: bool) -> Report:
    """Verify locations with the lock in `base`, by default the current folder."""
    request = AttestRequest(tuple(map(str, locations)), str(key), base=base or Path.cwd(), **options)
    return verify(request, QuietLog())


def states(report: Report) -> dict[str, set[CheckState]]:
    """Return the states of the checks by name."""
    found: dict[str, set[CheckState]] = {}
    for check in report.checks:
        found.setdefault(check.name, set()).add(check.state)
    return found


def findings(report: Report) -> dict[str, str]:
    """Return what the failed checks found, by name."""
    return {check.name: "; ".join(f"{f.found} {f.hint}" for f in check.findings) for check in report.failed}


PASSED, FAILED, NOT_RUN = {CheckState.PASSED}, {CheckState.FAILED}, {CheckState.NOT_RUN}


def kubelet(repo: Path) -> Path:
    (path,) = repo.glob("apt/pool/main/k/kubelet/*.deb")
    return path


def statement_of(package: Path) -> Path:
    return package.with_name(f"{package.name}.intoto.jsonl")


def parameters(document: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a statement that says how the package is built."""
    return document["predicate"]["buildDefinition"]


def change_statement(built: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Change the unsigned statement about the kubelet's deb; return the package."""
    path = built / "attestations/kubelet_1.36.3-1_amd64.deb.intoto.json"
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))
    return built / "deb/kubelet_1.36.3-1_amd64.deb"
