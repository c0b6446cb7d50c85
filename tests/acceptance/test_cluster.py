"""The real packages become a cluster of a deb host and an rpm host, and a newer one of it."""

from __future__ import annotations

import json

from kubeparcel.hosts import table
from kubeparcel.verify import cluster
from kubeparcel.verify.cluster import steps

from .cluster_mutants import CARELESS, CAUGHT, UNPLUGGED, break_debs

HOSTS = ("trixie", "trixie-dnf")


def test_the_real_packages_become_a_cluster_and_an_earlier_one_is_upgraded(here, real, before):
    hosts = [table.load().pick(name) for name in HOSTS]
    report = cluster.check(here, hosts, [real.folder / "dist"], [before.folder / "dist"])
    assert report.passed, report.as_text()
    assert [check for check in report.checks if not check.evidence] == []
    assert {scenario for _, scenario in report.subjects} == {"cluster", "upgrade"}
    said = {(check.subject, check.name): json.dumps(check.as_dict()) for check in report.checks}
    assert "v1.36.1" in said["upgrade", "init"]
    assert "v1.36.3" in said["upgrade", "upgraded"]
    assert "Connection refused" in said["upgrade", "pods-kept"]


def test_what_kubeadm_and_crictl_do_wrong_is_caught_each_by_its_check(here, real, tmp_path):
    broken = break_debs(real.folder / "dist", CARELESS, tmp_path)
    report = cluster.check(here, [table.load().pick("trixie")], [broken], only=["cluster"])
    assert {check.name for check in report.failed} == set(CAUGHT), report.as_text()
    assert all(check.evidence for check in report.failed)


def test_a_plugin_that_adds_no_pod_to_the_network_is_caught(here, real, tmp_path, monkeypatch):
    monkeypatch.setattr(steps, "READY", 30.0)
    broken = break_debs(real.folder / "dist", UNPLUGGED, tmp_path)
    report = cluster.check(here, [table.load().pick("trixie")], [broken], only=["cluster"])
    assert [check.name for check in report.failed] == ["pods"], report.as_text()
    (check,) = report.failed
    assert "no bridge today" in json.dumps(check.as_dict())
