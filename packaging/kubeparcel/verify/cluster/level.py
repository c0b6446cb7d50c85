"""The cluster level: kubeadm makes a cluster of two machines, of a deb host and an rpm host."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from kubeparcel.errors import UsageError
from kubeparcel.hosts.catalog import Host
from kubeparcel.hosts.package_set import PackageSet, package_sets_for
from kubeparcel.hosts.session import Session
from kubeparcel.model import Version
from kubeparcel.packages.find import find_package_files
from kubeparcel.reports.results import Check, Report
from kubeparcel.verify.cluster import machines
from kubeparcel.verify.cluster.documents import OLDEST
from kubeparcel.verify.cluster.machines import Cluster, Pair, Site
from kubeparcel.verify.cluster.scenarios import CLUSTER, UPGRADE
from kubeparcel.verify.progress import show_progress
from kubeparcel.verify.scenario import HOST_SEPARATOR, Scenario, ScenarioRun

LEVEL = "cluster"


def check(
    here: Session,
    hosts: Sequence[Host],
    paths: Sequence[Path],
    earlier: Sequence[Path] = (),
    only: Collection[str] = (),
) -> Report:
    """Prove packages as a cluster: the first host is the control plane, the second the worker.

    With one host both are of its kind. `earlier` are packages of an earlier Kubernetes, to upgrade
    a cluster from: without them that is not tried, and the log says so. `only` names scenarios.
    Raises UsageError for packages without a kubelet or older than this level knows, ToolError when
    a host cannot be made or started.
    """
    started = time.monotonic()
    pair = (hosts[0], hosts[1] if len(hosts) > 1 else hosts[0])
    folder = Path(tempfile.mkdtemp(dir=here.folder))
    now = _pair(pair, paths, folder / "current")
    old = _pair(pair, earlier, folder / "earlier") if earlier else None
    courses = [(CLUSTER, Site(pair, now, None, _release(now)))]
    if old and _release(old) < _release(now):
        courses.append((UPGRADE, Site(pair, now, old, _release(now), _release(old))))
    else:
        here.log.warn("no cluster is upgraded: no packages of an earlier Kubernetes (--from DIR).")
    wanted = [row for row in courses if not only or row[0].name in only]
    name = HOST_SEPARATOR.join(dict.fromkeys(host.name for host in hosts))
    counts = {name: [len(scenario.steps) for scenario, _ in wanted]}
    checks: list[Check] = []
    with show_progress(here.log, LEVEL, counts) as watches:
        for scenario, site in wanted:
            with watches[name].scenario(scenario.name, len(scenario.steps)) as told:
                checks += _play(here, site, scenario, name, told)
    return Report(LEVEL, tuple(checks), time.monotonic() - started)


def _pair(hosts: Pair[Host], paths: Sequence[Path], folder: Path) -> Pair[PackageSet]:
    sets = package_sets_for(hosts, find_package_files(paths), folder)
    return (sets[hosts[0].format], sets[hosts[1].format])


def _release(sets: Pair[PackageSet]) -> Version:
    """The Kubernetes of the control plane's kubeadm."""
    found = sets[0].versions.get("kubeadm", "0.0.0").rpartition("-")[0]
    version = Version.parse(found.replace("~", "-", 1))
    if version < OLDEST:
        raise UsageError(
            f"The level cluster proves kubeadm {OLDEST} and later, not {found}.",
            "The levels layout, install and service prove earlier ones.",
        )
    return version


def _play(
    here: Session,
    site: Site,
    scenario: Scenario[Cluster],
    name: str,
    told: Callable[[Check], None],
) -> list[Check]:
    with machines.started(here, site) as cluster:
        trials = tuple(machine.context for machine in cluster.machines)
        course = ScenarioRun(LEVEL, name, cluster, trials, collect_evidence=_explain, on_check=told)
        checks = list(course.run(scenario))
        if any(not check.passed for check in checks):
            for machine in cluster.machines:
                here.keep_for_debugging(machine.container)
    return checks


def _explain(cluster: Cluster) -> None:
    """The evidence of what failed: what both kubelets said last, and the containers."""
    for machine in cluster.machines:
        machine.context.run("journalctl", "--no-pager", "--unit=kubelet", "--lines=40")
        machine.context.run("crictl", "ps", "--all")
