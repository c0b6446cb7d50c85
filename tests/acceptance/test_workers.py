"""Levels on the hosts of Dask workers: containers where an engine is, and the same report as here."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from kubeparcel.hosts.session import Session
from kubeparcel.model import Format
from kubeparcel.record_key import VARIABLE
from tests.acceptance.conftest import Site
from tests.acceptance.small_packages import small_samples, write_set
from tests.support.dask_cluster import SECRET, Cluster

OPTIONS = ("packages", "--only", "install/cri-tools-alone", "--on", "trixie")


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_level_runs_in_a_container_of_the_worker_that_has_an_engine(
    session: Session, binaries_cache: Path, tmp_path: Path
) -> None:
    shutil.move(write_set(small_samples(tmp_path / "new"), Format.DEB, tmp_path), tmp_path / "packages")
    site = Site(tmp_path, {**os.environ, "KUBEPARCEL_CACHE": str(tmp_path / "client"), VARIABLE: SECRET})
    with Cluster(tmp_path / "cluster") as cluster:
        cluster.start_scheduler()
        cluster.start_worker("bare", resources="privileged=1", environment={"PATH": str(tmp_path)})
        cluster.start_worker("engine", resources="privileged=1", environment={"KUBEPARCEL_CACHE": str(binaries_cache)})
        cluster.wait()
        remote = ("--workers", f"dask:{cluster.address}", "--cache-remote", str(cluster.remote))
        (layout, report) = site.json("verify", *OPTIONS, *remote)["levels"]
    assert [check["name"] for check in report["checks"] if check["passed"]] == ["cri-tools-alone"]
    assert {check["not-run"] for check in report["checks"] if not check["passed"]} >= {"not selected by --only"}
    assert report["environment"].startswith(f"trixie (deb) · {session.engine.name} {session.engine.version} on ")
    assert layout["not-run"] == "not selected by --only"
