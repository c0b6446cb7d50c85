"""The real packages become a cluster of a deb host and an rpm host, and a newer one of it."""

from __future__ import annotations

import json

from kubeparcel.hosts import catalog
from kubeparcel.reports.output import as_text
from kubeparcel.verify.cluster import level
from kubeparcel.verify.level_runner import LevelRun, run_level

HOSTS = ("trixie", "trixie-dnf")


def test_the_real_packages_become_a_cluster_and_an_earlier_one_is_upgraded(session, real, before):
    hosts = [catalog.load_hosts().get(name) for name in HOSTS]
    run = LevelRun.create(session, [real.folder / "dist"], [before.folder / "dist"])
    report = run_level(level.LEVEL, run, hosts)
    assert report.passed, as_text([report])
    assert [check for check in report.checks if not check.evidence] == []
    assert {scenario for _, scenario in report.checks_by_subject} == {"cluster", "upgrade"}
    said = {(check.subject, check.name): json.dumps(check.as_dict()) for check in report.checks}
    assert "v1.36.1" in said["upgrade", "init"]
    assert "v1.36.3" in said["upgrade", "upgraded"]
    assert "Connection refused" in said["upgrade", "pods-kept"]
