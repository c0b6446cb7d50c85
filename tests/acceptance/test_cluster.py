"""The cluster level with the real packages: a new cluster, and one that is upgraded."""

from __future__ import annotations

import json

from kubeparcel.hosts import catalog
from kubeparcel.hosts.session import Session
from kubeparcel.reports.output import as_text
from kubeparcel.verify.cluster import level
from kubeparcel.verify.level_runner import LevelRun, run_level
from tests.acceptance.conftest import Site

HOSTS = ("trixie", "trixie-dnf")


def test_real_packages_create_a_cluster_and_upgrade_a_previous_one(session: Session, real: Site, before: Site) -> None:
    hosts = [catalog.load_hosts().get(name) for name in HOSTS]
    run = LevelRun.create(session, [real.folder / "dist"], [before.folder / "dist"])
    report = run_level(level.LEVEL, run, hosts)
    assert report.passed, as_text([report])
    assert [check for check in report.checks if not check.evidence] == []
    assert {scenario for _, scenario in report.checks_by_subject} == {"cluster", "upgrade"}
    results = {(check.subject, check.name): json.dumps(check.as_dict()) for check in report.checks}
    assert "v1.36.1" in results["upgrade", "init"]
    assert "v1.36.3" in results["upgrade", "upgraded"]
    assert "Connection refused" in results["upgrade", "pods-kept"]
