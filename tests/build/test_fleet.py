"""Several releases in one build: shared work, failures of some, interruption, and conflicts."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from kubeparcel.build.lock import lockfile
from kubeparcel.build.pipeline import build_releases
from kubeparcel.build.results import FleetResult
from kubeparcel.build.workers.check_unit import CheckUnit
from kubeparcel.config.releases import load_releases
from kubeparcel.console import Log
from kubeparcel.errors import ConfigurationError, ToolError
from kubeparcel.lock_models import Artifact, Binaries
from kubeparcel.reports.results import Check, Finding
from kubeparcel.store import Store
from tests.support.fake_sources import FakeSource

OPTIONS = {"format": "deb", "compression": "fast"}
PUBLISHED = ("cri-tools 1.34.0", "cri-tools 1.35.0", "cri-tools 1.36.0")


class Fleet(FakeSource):
    """Publishes three minors; some releases cannot be fetched."""

    def __init__(self, broken: str = "", interrupt: str = "") -> None:
        versions = {"1.34": "1.34.9", "1.35": "1.35.4", "1.36": "1.36.3"}
        exact = {text: text for text in (*versions.values(), "1.36.2")}
        super().__init__({**versions, **exact, "stable": "1.36.3"}, PUBLISHED)
        self.broken, self.interrupt = broken, interrupt

    def fetch(self, artifacts: Sequence[Artifact], store: Store, log: Log) -> Binaries:
        if self.broken and self.broken in artifacts[0].origin:
            raise ToolError("go build failed with exit code 1.", "undefined: x")
        if self.interrupt and self.interrupt in artifacts[0].origin:
            os.kill(os.getpid(), signal.SIGINT)
            raise ToolError("killed")
        return super().fetch(artifacts, store, log)


@pytest.fixture(autouse=True)
def checks_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """The binaries are no programs."""
    monkeypatch.setattr(CheckUnit, "run", lambda *_: (Check("x", "x"),))


def build(log: Log, kubernetes: str = "", **options: str) -> FleetResult:
    return build_releases(load_releases({**OPTIONS, "kubernetes": kubernetes, **options}), log)


def verdicts(result: FleetResult) -> Mapping[str, str]:
    return {outcome.release.title: outcome.verdict for outcome in result.outcomes}


def packages(folder: Path) -> set[str]:
    return {path.name for path in (folder / "dist/deb").glob("*.deb")}


def test_what_releases_share_is_fetched_and_assembled_once(workdir, fake_sources, log):
    source = Fleet()
    fake_sources(source)
    result = build(log, "1.36.2,1.36.3")
    assert verdicts(result) == {"1.36.2": "built", "1.36.3": "built"}
    fetched = Counter(artifact.label for artifact in source.fetched)
    assert (fetched["cri-tools amd64"], fetched["cni amd64"], fetched["kubelet amd64"]) == (1, 1, 2)
    assert packages(workdir) == {
        *(f"{name}_1.36.{patch}-1_amd64.deb" for name in ("kubeadm", "kubelet", "kubectl") for patch in (2, 3)),
        *("kubernetes-cni_1.9.1-1_amd64.deb", "cri-tools_1.36.0-1_amd64.deb"),
    }
    assert len((workdir / "dist/SHA256SUMS").read_text().splitlines()) == 8 * 3 + 2 * 2


def test_second_run_does_nothing_and_changes_no_byte(workdir, fake_sources, log):
    source = Fleet()
    fake_sources(source)
    build(log, "1.35,1.36")
    before = {path: path.stat().st_mtime_ns for path in (workdir / "dist").rglob("*") if path.is_file()}
    source.fetched.clear()
    result = build(log)
    assert verdicts(result) == {"1.35.4": "up to date", "1.36.3": "up to date"}
    assert not source.fetched
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_table_fits_80_columns_and_json_has_all_releases(workdir, fake_sources, log, timeless):
    fake_sources(Fleet())
    result = build(log, "1.35,1.36", arch="amd64,arm64,ppc64le,s390x")
    assert max(map(len, result.as_text().splitlines())) <= 80
    document = json.loads(result.as_json())
    assert [release["release"] for release in document["releases"]] == ["1.35.4", "1.36.3"]
    assert {len(release["packages"]) for release in document["releases"]} == {20}


@pytest.mark.parametrize(
    ("versions", "source", "code", "reason"),
    [
        ("1.34,1.99,1.36", Fleet(), 2, "Kubernetes 1.99 is not published."),
        ("1.34,1.35,1.36", Fleet(broken="kubernetes.example/v1.35.4"), 3, "go build failed with exit code 1."),
    ],
)
def test_failed_release_does_not_stop_the_others(workdir, fake_sources, log, versions, source, code, reason):
    fake_sources(source)
    result = build(log, versions)
    assert result.exit_code == code
    (failed,) = [outcome for outcome in result.outcomes if outcome.verdict == "failed"]
    assert failed.reason == reason
    assert f"{failed.release.title}: {reason}" in result.as_text()
    assert "2 releases" in result.as_text()
    assert "1 failed" in result.as_text()
    assert {name.split("_")[1] for name in packages(workdir) if "kubelet" in name} == {"1.34.9-1", "1.36.3-1"}
    assert [str(lock.component("kubernetes").version) for lock in lockfile.read_all(workdir / lockfile.NAME)] == [
        "1.34.9",
        *(["1.35.4"] if "1.35" in versions else []),
        "1.36.3",
    ]


def test_nothing_of_a_release_with_a_failed_check_is_written(workdir, fake_sources, log, monkeypatch):
    def run(unit: CheckUnit, *_: Any) -> tuple[Check, ...]:
        wrong = unit.label == "deb/kubelet_1.36.2-1_amd64.deb"
        return (Check("modes", "x", findings=(Finding("0755", "0644"),) if wrong else ()),)

    fake_sources(Fleet())
    monkeypatch.setattr(CheckUnit, "run", run)
    result = build(log, "1.35,1.36.2")
    assert (result.exit_code, verdicts(result)) == (1, {"1.35.4": "built", "1.36.2": "failed"})
    assert not [name for name in packages(workdir) if "1.36" in name]
    assert "1.36.2: Checks of the packages failed" in log.warnings[-1]


def test_interrupted_build_names_what_is_finished_and_continues_there(workdir, fake_sources, log):
    fake_sources(Fleet(interrupt="kubernetes.example/v1.36.3"))
    build(log, "1.36.2")
    with pytest.raises(KeyboardInterrupt):
        build(log, "1.36.2,1.36.3")
    assert log.warnings[-1].startswith("Finished: ")
    assert "Not finished: " in log.warnings[-1]
    assert "1.36.3" in log.warnings[-1].partition("Not finished")[2]
    source = Fleet()
    fake_sources(source)
    assert verdicts(build(log)) == {"1.36.2": "up to date", "1.36.3": "built"}
    assert {artifact.component for artifact in source.fetched} == {"kubernetes"}


def test_releases_with_equal_packages_are_an_error_before_anything_is_built(workdir, fake_sources, log):
    source = Fleet()
    fake_sources(source)
    with pytest.raises(ConfigurationError, match=r"Kubernetes 1\.36\.3 is requested twice"):
        build(log, "1.36,1.36.3")
    assert not source.fetched


@pytest.mark.parametrize("difference", ["kubelet-extra-args: --v=4", "cni: 1.8.0"])
def test_equal_versions_with_different_contents_are_an_error(workdir, fake_sources, log, difference):
    source = Fleet()
    fake_sources(source)
    (workdir / "kubeparcel.yaml").write_text(
        f'releases:\n  - kubernetes: "1.36.3"\n  - kubernetes: "1.36.3"\n    {difference}\n    maintainer: A <a@b.c>\n'
    )
    with pytest.raises(ConfigurationError, match=r"Two releases give different packages") as error:
        build(log)
    assert "version-suffix" in error.value.hint
    assert not source.fetched


def test_patched_release_needs_a_version_of_its_own(workdir, fake_sources, log):
    """Two rows with the same version and suffix, and other patches."""
    fake_sources(go=Fleet())
    (workdir / "a.patch").write_text("a")
    (workdir / "b.patch").write_text("b")
    row = '  - {kubernetes: "1.36.3", version-suffix: +acme.1, patches: {kubernetes: [%s.patch]}}\n'
    (workdir / "kubeparcel.yaml").write_text(f"source: go\nreleases:\n{row % 'a'}{row % 'b'}")
    with pytest.raises(ConfigurationError, match=r"different packages deb/kubeadm.*\(patches differ\)"):
        build(log)
